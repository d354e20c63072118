"""Run the object store as a child process: `rclone serve s3` over plain files, one folder per bucket."""

import shutil
import sys
from pathlib import Path

from merchant_sync import health
from merchant_sync.parts import SPACES, Part, StackError

# Next to nothing is cached: an object can be read as soon as it is put, and a file removed by hand is gone at once.
# Not 0s: at zero rclone, once an object has been replaced while it was being read, spins on a whole processor for ever.
_UNCACHED = ["--vfs-cache-mode", "off", "--dir-cache-time", "1ms", "--poll-interval", "0s"]


def _find_binary() -> str:
    found = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    if not found:
        raise StackError("No rclone beside Python: install requirements/runtime.txt again.")
    return found


def build_part(data_dir: Path, port: int, bucket: str, access_key: str, secret_key: str) -> Part:
    """Return the part that runs the object store on loopback `port` with its buckets as folders in `data_dir`.

    Before a start, it creates `bucket` if it is missing. The keys are not on its command line, so `ps` does not show
    them.

    rclone keeps user metadata of objects in memory only: after a restart, HEAD returns none. No flag changes that.
    """
    return Part(
        name=SPACES,
        command=[
            _find_binary(),
            "serve",
            "s3",
            "--config",
            "",
            "--addr",
            f"{health.HOST}:{port}",
            *_UNCACHED,
            str(data_dir),
        ],
        env={"RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'},
        is_healthy=lambda: health.is_listening(port),
        prepare=lambda: (data_dir / bucket).mkdir(parents=True, exist_ok=True),
    )
