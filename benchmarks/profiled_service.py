"""Run a service in one process and profile it: `python -m benchmarks.profiled_service MODULE FILE`.

MODULE has the function `main` that runs the service. cProfile is on from SIGUSR1 until SIGUSR2. At SIGUSR2, the profile
is written to FILE.
"""

import cProfile
import signal
import sys
from importlib import import_module
from pathlib import Path


def install_profiler(path: Path) -> None:
    """Install signal handlers: SIGUSR1 starts the profiler, SIGUSR2 stops it and writes the profile to `path`.

    So the start of the process is not counted. The file is renamed into place: a reader never sees half of it.
    """
    profile = cProfile.Profile()

    def write_profile(*_: object) -> None:
        profile.disable()
        profile.dump_stats(f"{path}.new")
        Path(f"{path}.new").rename(path)

    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGUSR2, write_profile)


if __name__ == "__main__":
    install_profiler(Path(sys.argv[2]))
    import_module(sys.argv[1]).main()
