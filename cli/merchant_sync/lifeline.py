"""Run a command that ends when its parent does: `python -I -S lifeline.py PARENT SIGNAL USER COMMAND…`.

It asks the kernel for SIGNAL at the parent's death, becomes USER (`-` keeps the present one) and then *becomes* the
command, so the process id stays. It is a script of its own, not a `preexec_fn`, because forking Python code in a
program with threads can hang. Only the standard library may be imported here.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def become(user: str) -> None:
    """Drop root for `user`: groups first, for afterwards there is no right to."""
    import pwd

    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir
    os.chdir("/")


def die_with(parent: int, signal_number: int) -> None:
    """Have the kernel send `signal_number` when the parent dies; exit when it is dead already.

    It comes after `become`, since a change of user clears it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def main(arguments: list[str]) -> None:
    """Become the command."""
    parent, signal_number, user, *command = arguments
    if user != "-":
        become(user)
    die_with(int(parent), int(signal_number))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
