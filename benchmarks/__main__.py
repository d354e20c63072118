"""`python -m benchmarks [NAME…]`: all benchmarks or those named, one after the other; exit 1 when one found a fault.

Each runs alone, too, with options: `python -m benchmarks.first_sync --help`.
"""

import os
import subprocess
import sys
import time

from benchmarks.workers import module

NAMES = ("webhooks", "first-sync", "latency", "burst", "idle-topic")


def main(names: list[str]) -> int:
    """Run them, each as its own process."""
    if unknown := [name for name in names if name not in NAMES]:
        print(f"There is no {', '.join(unknown)}; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    failed = []
    for name in names or NAMES:
        began, load = time.monotonic(), os.getloadavg()[0]
        print(f"\n== {name} ({os.cpu_count()} cores, load {load:.1f} before it began)", flush=True)
        if subprocess.run(module(name.replace("-", "_")), check=False).returncode:
            failed.append(name)
        print(f"   {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        print(f"\nNot as it should be: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
