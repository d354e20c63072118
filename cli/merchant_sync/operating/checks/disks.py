"""Check the disks of a stack that runs on this machine: the one of its state, and the one of temporary files.

The disks of an installation elsewhere are not seen from here.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from merchant_sync.access import Access
from merchant_sync.operating.checks import Finding, report_bad, report_good, report_warning

_GB = 1_000_000_000
LITTLE_BYTES, FULL_BYTES = 5 * _GB, _GB
"""Kafka and Postgres stop when their disk is full; below these bytes of room it is little, or as good as full."""


def check(access: Access, data_dir: Path) -> Iterator[Finding]:
    """Check how much room there is for the state in `data_dir`, and for documents before their upload."""
    if access.is_local:
        yield judge("disk of the state", data_dir, shutil.disk_usage(data_dir).free)
        temporary = Path(tempfile.gettempdir())
        yield judge("disk of temporary files", temporary, shutil.disk_usage(temporary).free)


def judge(subject: str, folder: Path, free: int) -> Finding:
    """Return the finding for a folder on whose disk `free` bytes are free."""
    details = f"{folder}: {free / _GB:.1f} GB free"
    if free < FULL_BYTES:
        return report_bad(subject, details, "make room at once: messages and records cannot be stored on a full disk")
    if free < LITTLE_BYTES:
        return report_warning(subject, details, "make room")
    return report_good(subject, details)
