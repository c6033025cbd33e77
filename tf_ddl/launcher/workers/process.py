"""One worker: a process group of its own, two output pipes, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from tf_ddl import errors
from tf_ddl.launcher.workers import lines

__all__ = ["Exit", "Worker"]

_BOOTSTRAP = str(pathlib.Path(__file__).with_name("bootstrap.py"))
_CHUNK = 1 << 16
_MAX_DRAIN = 1 << 24  # bytes still read from a worker that has ended


@dataclasses.dataclass(frozen=True)
class Exit:
    """How a worker ended.

    Attributes:
      rank: the worker.
      code: exit code; minus the signal's number if a signal ended it.
      seconds: when, in seconds since the job's start.
      stopped: whether the launcher had told it to end before.
    """

    rank: int
    code: int
    seconds: float
    stopped: bool

    @property
    def shell_code(self) -> int:
        """The code as shells show it: 128 + signal for signals."""
        return 128 - self.code if self.code < 0 else self.code

    @property
    def reason(self) -> str:
        """In words: "exit code 3", "killed by signal 9 (SIGKILL)"."""
        if self.code >= 0:
            return f"exit code {self.code}"
        with contextlib.suppress(ValueError):
            return f"killed by signal {-self.code} ({signal.Signals(-self.code).name})"
        return f"killed by signal {-self.code}"


class Worker:
    """A running worker.

    To be used by the thread that started it: when that ends, the kernel kills the worker
    (bootstrap.py).

    Args:
      rank: its rank.
      command: program and arguments.
      environ: its whole environment.
      write: takes (stream, data, final) whenever the worker has printed something.

    Raises:
      InternalError: the process could not be started.
    """

    def __init__(
        self,
        rank: int,
        command: Sequence[str],
        environ: Mapping[str, str],
        write: Callable[[str, bytes, bool], None],
    ) -> None:
        self.rank = rank
        self.tail = lines.Tail()
        self.stopping = False
        self._write = write
        # -I and -S: neither the user's variables nor site-packages matter to the first code.
        launch = [sys.executable, "-I", "-S", _BOOTSTRAP, str(os.getpid()), *command]
        try:
            self._popen = subprocess.Popen(
                launch,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise errors.InternalError(f"cannot start rank {rank}: {error}") from error
        assert self._popen.stdout is not None and self._popen.stderr is not None
        self.pipes = {
            self._popen.stdout.fileno(): "stdout",
            self._popen.stderr.fileno(): "stderr",
        }
        for descriptor in self.pipes:
            os.set_blocking(descriptor, False)
        self.pidfd = _pidfd(self._popen.pid)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def read(self, descriptor: int) -> int:
        """Passes on what there is to read; returns the number of bytes, -1 at the end."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return 0
        stream = self.pipes[descriptor]
        self.tail.feed(stream, data)
        if data:
            self._write(stream, data, False)
        return len(data) or -1

    def send(self, number: int) -> None:
        """Sends a signal to the worker itself."""
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def send_to_group(self, number: int) -> None:
        """Sends a signal to the worker and all that it has started. Only before `reap`."""
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def has_ended(self) -> bool:
        """Whether it ran to its end; it stays a zombie, and its pid its own, until `reap`."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.pid, options) is not None
        except ChildProcessError:  # somebody else in this process waited for it
            return True

    def reap(self, started: float) -> Exit:
        """Ends what is left of the process group, reads the rest of the output, and waits.

        Args:
          started: `time.monotonic()` of the job's start.
        """
        seconds = time.monotonic() - started
        self.send_to_group(signal.SIGKILL)
        code = self._popen.wait()
        try:
            for descriptor, stream in self.pipes.items():
                # Not until the end of file: a daemon that left the group may hold the pipe open.
                room = _MAX_DRAIN
                while room > 0 and (count := self.read(descriptor)) > 0:
                    room -= count
                self.tail.feed(stream, b"", final=True)
                self._write(stream, b"", True)
        finally:
            self.close()
        return Exit(self.rank, code, seconds, self.stopping)

    def kill(self) -> None:
        """Ends the worker at once, without a word; for the way out after an error."""
        if self._popen.returncode is None:
            self.send_to_group(signal.SIGKILL)
            self._popen.wait()
        self.close()

    def close(self) -> None:
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there are none."""
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return None
