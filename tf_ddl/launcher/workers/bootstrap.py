"""First code of every worker: ties its life to the launcher's, then becomes the real command.

Run as a file, `python -I -S bootstrap.py LAUNCHER_PID COMMAND...`, with nothing but the standard
library, so that it takes a few milliseconds. It ends in exec: the script runs as if it had been
started directly, and nothing of tf_ddl stands in its tracebacks.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when `parent` ends, however it ends (Linux only)."""
    if sys.platform != "linux":
        return
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0) != 0:
        reason = os.strerror(ctypes.get_errno())
        print(f"tf_ddl: this worker may outlive its launcher: prctl: {reason}", file=sys.stderr)
    if os.getppid() != parent:  # it ended before prctl could take effect
        os._exit(128 + signal.SIGKILL)


def main() -> None:
    """Becomes the command that follows the launcher's process number on the command line."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    # Ignored signals stay ignored across exec. Python ignores SIGPIPE, a shell's background job
    # SIGINT; the script must see what it sees on a terminal.
    for name in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(name, signal.SIG_DFL)
    die_with_parent(parent)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"tf_ddl: cannot run {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    main()
