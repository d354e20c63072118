"""Run a command that ends when its parent does: `python -I -S parent_watch.py PARENT SIGNAL USER COMMAND…`.

It asks the kernel for SIGNAL at the parent's death, changes to USER (`-` keeps the present one) and then executes the
command in its own place, so the process id stays. It is a script of its own, not a `preexec_fn`, because forking Python
code in a program with threads can hang. Only the standard library may be imported here.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def change_user(user: str) -> None:
    """Drop root for `user`."""
    import pwd

    entry = pwd.getpwnam(user)
    # Groups come first: afterwards there is no right to set them.
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir
    os.chdir("/")


def watch_parent(parent: int, signal_number: int) -> None:
    """Have the kernel send `signal_number` when the parent dies, or exit when it is dead already.

    It must be called after `change_user`, because a change of user clears the request.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def main(arguments: list[str]) -> None:
    """Replace this process by the command."""
    parent, signal_number, user, *command = arguments
    if user != "-":
        change_user(user)
    watch_parent(int(parent), int(signal_number))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
