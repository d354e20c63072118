"""Run a command that ends when its parent does: `python -I -S parent_watch.py PARENT SIGNAL USER COMMAND…`.

The script changes to USER (`-` keeps the present user), asks the kernel to send SIGNAL when the parent dies, and
executes the command in its own process, so the process id stays the same. It is a script and not a `preexec_fn`,
because running Python code after a fork can hang in a program with threads. Only the standard library may be imported
here.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def change_user_and_folder(user: str) -> None:
    """Turn this process from root into `user`, with the groups and the HOME of `user`, and change to the folder `/`."""
    import pwd

    entry = pwd.getpwnam(user)
    # Groups come first: afterwards there is no right to set them.
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir
    os.chdir("/")


def request_parent_death_signal(parent: int, signal_number: int) -> None:
    """Ask the kernel to send `signal_number` when the parent dies; exit when the parent is dead already.

    Call it after `change_user_and_folder`, because a change of user clears this request.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def main(arguments: list[str]) -> None:
    """Change the user, ask for a signal when the parent process ends, then replace this process by a command.

    `arguments` are the parent's process id, the number of the signal to send when the parent has ended, the user (`-`
    for the present one) and the words of the command.
    """
    parent, signal_number, user, *command = arguments
    if user != "-":
        change_user_and_folder(user)
    request_parent_death_signal(int(parent), int(signal_number))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
