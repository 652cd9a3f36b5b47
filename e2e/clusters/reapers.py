"""The first process of a node's process namespace, run as a script; takes in the orphans.

The shims of containerd are orphans by design, and without this they would stay as zombies.
"""

import os
import signal


def reap() -> None:
    """Collect ended children for ever; the namespace ends when this process is killed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        signal.sigwait({signal.SIGCHLD})
        while _collected():
            pass


def _collected() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    reap()
