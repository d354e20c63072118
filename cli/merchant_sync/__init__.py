"""The `merchant-sync` command: everything on one machine, the demo, and what operators need."""

import sys

if sys.platform == "win32":
    raise SystemExit("merchant-sync runs on Linux and macOS. On Windows, run it in WSL 2 or in containers (Docker).")
