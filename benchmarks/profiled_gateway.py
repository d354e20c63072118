"""One process of the gateway, under cProfile from SIGUSR1 to SIGUSR2: `python -m benchmarks.profiled_gateway FILE`."""

import cProfile
import os
import signal
import sys
from pathlib import Path

from gateway.app import main


def profile_on_demand(path: Path) -> None:
    """Leave out what starting costs. The file appears whole."""
    profile = cProfile.Profile()

    def end(*_: object) -> None:
        profile.disable()
        profile.dump_stats(f"{path}.new")
        Path(f"{path}.new").rename(path)

    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGUSR2, end)


if __name__ == "__main__":
    profile_on_demand(Path(sys.argv[1]))
    os.environ["GATEWAY_PROCESSES"] = "1"
    main()
