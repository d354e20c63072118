"""`python -m benchmarks [NAME…]`: run all benchmarks, or the ones named, one after the other.

The exit code is 1 when a benchmark finds wrong data. Each benchmark can also be run alone, with options:
`python -m benchmarks.first_sync --help`.
"""

import os
import subprocess
import sys
import time

from benchmarks.workers import build_command

NAMES = (
    "webhooks",
    "first-sync",
    "completeness",
    "latency",
    "burst",
    "feed-cost",
    "data-api",
    "idle-topic",
    "hostile-senders",
    "table-reading",
)


def main(names: list[str]) -> int:
    """Run each benchmark as its own process. Return the exit code of the command; 2 for an unknown name."""
    if unknown := [name for name in names if name not in NAMES]:
        print(f"Unknown benchmark: {', '.join(unknown)}. There are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    failed = []
    for name in names or NAMES:
        started, load = time.monotonic(), os.getloadavg()[0]
        print(f"\n== {name} ({os.cpu_count()} cores, load {load:.1f} before the start)", flush=True)
        if subprocess.run(build_command(name.replace("-", "_")), check=False).returncode:
            failed.append(name)
        print(f"   {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
