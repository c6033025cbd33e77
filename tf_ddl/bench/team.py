"""The worker processes of one contender, seen from the benchmark."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any

from . import contenders, wire

__all__ = ["Team", "TeamError"]

_BOOTSTRAP = str(
    pathlib.Path(__file__).resolve().parents[1] / "launcher" / "workers" / "bootstrap.py"
)
_POLL = 0.05  # seconds
_JOIN = 180.0  # seconds for interpreters to start and libraries to load
_CLOSE = 5.0  # seconds for saying goodbye
_SHOWN_LINES = 12


class TeamError(RuntimeError):
    """A contender has failed; it takes no further part."""


class Team:
    """The workers of a contender, started and joined.

    Args:
      contender: whose.
      python: their interpreter.
      size: number of ranks.

    Attributes:
      about: versions and the like, as rank 0 tells them.

    Raises:
      TeamError: they did not come, or did not find each other.
    """

    def __init__(self, contender: contenders.Contender, python: str, size: int) -> None:
        self.contender = contender
        self.size = 1 if contender.alone else size
        self.about: dict[str, str] = {}
        self._python = python
        self._processes: list[subprocess.Popen] = []
        self._channels: dict[int, wire.Channel] = {}
        self._handles: list[int] = []  # pidfds of the workers
        self._stopped = False
        self._folder = tempfile.TemporaryDirectory(prefix="tf_ddl.bench.")
        self._log = pathlib.Path(self._folder.name) / "log"
        try:
            self._start()
            self.about = self.ask({"do": "open"}, _JOIN)[0]["about"]
        except BaseException:
            self.kill()
            raise

    def ask(self, message: dict[str, Any], timeout: float) -> list[dict[str, Any]]:
        """Sends a command to all workers; returns the answers, by rank.

        Raises:
          TeamError: a worker reports an error, ends, or does not answer within `timeout` seconds.
        """
        self.tell(message)
        return self.answers(timeout)

    def tell(self, message: dict[str, Any]) -> None:
        """Sends a command to all workers; each answers once (`answers`)."""
        self._resume()
        for rank, channel in self._channels.items():
            try:
                channel.send(message)
            except wire.ClosedError as error:
                raise self._failure(f"rank {rank} has ended ({error})") from error

    def answers(self, timeout: float) -> list[dict[str, Any]]:
        """What the workers answer to the last command, by rank; see `ask`."""
        deadline = time.monotonic() + timeout
        found = []
        for rank in range(self.size):
            try:
                answer = self._channels[rank].receive(deadline)
            except TimeoutError as error:
                raise self._failure(f"rank {rank} gave no answer within {timeout:g} s") from error
            except wire.ClosedError as error:
                raise self._failure(f"rank {rank} has ended") from error
            if "error" in answer:
                raise self._failure(f"rank {rank}: {answer['error']}", with_log=False)
            found.append(answer)
        return found

    def rest(self) -> None:
        """Sees to it that the workers leave the cores to others until the next command."""
        if self.contender.stop and not self._stopped:
            self._signal(signal.SIGSTOP)
            self._stopped = True

    def close(self) -> None:
        """Says goodbye, then ends what is left."""
        with contextlib.suppress(TeamError):
            self.ask({"do": "close"}, _CLOSE)
            deadline = time.monotonic() + _CLOSE
            while any(p.poll() is None for p in self._processes) and time.monotonic() < deadline:
                time.sleep(_POLL)
        self.kill()

    def kill(self) -> None:
        """Ends all processes at once. Idempotent."""
        for process in self._processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        self._signal(signal.SIGKILL)  # those of a launcher may be in groups of their own
        for process in self._processes:
            process.wait()
        for channel in self._channels.values():
            channel.close()
        for handle in self._handles:
            os.close(handle)
        self._processes, self._channels, self._handles = [], {}, []
        self._folder.cleanup()

    def _start(self) -> None:
        address = str(pathlib.Path(self._folder.name) / "socket")
        with socket.socket(socket.AF_UNIX) as listener, open(self._log, "wb") as log:
            listener.bind(address)  # in a folder that only this user may enter
            listener.listen(self.size)
            listener.settimeout(_POLL)
            for command in contenders.launch_plan(self.contender, self._python, self.size, address):
                # Whatever happens to the benchmark, its workers end with it.
                bootstrap = [sys.executable, "-I", "-S", _BOOTSTRAP, str(os.getpid())]
                self._processes.append(
                    subprocess.Popen(
                        [*bootstrap, *command.arguments],
                        env=command.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
            self._accept(listener)

    def _accept(self, listener: socket.socket) -> None:
        deadline = time.monotonic() + _JOIN
        while len(self._channels) < self.size:
            try:
                channel = wire.Channel(listener.accept()[0])
            except TimeoutError:
                ended = [p.returncode for p in self._processes if p.poll() is not None]
                if ended:
                    raise self._failure(f"ended with code {ended[0]} at the start") from None
                if time.monotonic() > deadline:
                    raise self._failure(f"not all workers came within {_JOIN:g} s") from None
                continue
            hello = channel.receive(deadline)
            self._channels[hello["rank"]] = channel
            self._handles.append(os.pidfd_open(hello["pid"]))

    def _resume(self) -> None:
        if self._stopped:
            self._signal(signal.SIGCONT)
            self._stopped = False

    def _signal(self, number: int) -> None:
        for handle in self._handles:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)

    def _failure(self, what: str, with_log: bool = True) -> TeamError:
        lines = []
        if with_log and self._log.exists():
            lines = self._log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
        return TeamError("\n".join([what, *lines]))
