"""Starts ranks from processes that have imported TensorFlow already (fork_server.py).

There are two such processes, for ranks of even and of odd number, so that what depends on the hash
seed (the order of sets of strings) differs between ranks as it does between any two processes.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping

from tf_ddl.launcher.workers import bootstrap

__all__ = ["ENVIRON", "Forked", "can_fork", "fork", "server_pids"]

#: Variables that nothing reads before the first import of tf_ddl or the use of TensorFlow. A rank
#: with another value of any other one, or without it, needs an interpreter of its own.
_READ_LATER = (
    *("DDL_", "FAKE_", "OMPI_", "PMI", "PYTEST_", "SLURM_", "TEST_"),
    *("TF_CONFIG", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS"),
)
_AT_START = dict(os.environ)
#: Of every rank, unless it is given others.
ENVIRON = {
    "PYTHONFAULTHANDLER": "1",
    "PYTHONUNBUFFERED": "1",
    **{
        name: os.environ.get(name, value)
        for name, value in (
            ("OMP_NUM_THREADS", "1"),
            ("TF_NUM_INTRAOP_THREADS", "1"),
            ("TF_CPP_MIN_LOG_LEVEL", "2"),
        )
    },
}

_servers: list[_Server] = []


class _Server:
    def __init__(self) -> None:
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as this)
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair()
        with theirs:
            self.popen = subprocess.Popen(
                [sys.executable, "-I", "-S", bootstrap.__file__, str(os.getpid()), sys.executable]
                + [str(pathlib.Path(__file__).with_name("fork_server.py"))]
                + [str(theirs.fileno()), bootstrap.__file__],
                env=_ENVIRON,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self.stderr,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._socket = ours
        self._answers = ours.makefile("r", encoding="utf-8")
        atexit.register(self._close)

    def ask(self, **request) -> dict:
        with self._lock:
            line = ""
            with contextlib.suppress(ConnectionError):
                self._socket.sendall(json.dumps(request).encode() + b"\n")
                line = self._answers.readline()
        answer = json.loads(line) if line else {"error": "it has ended"}
        if "error" in answer:
            self.stderr.seek(0)
            shown = self.stderr.read().decode(errors="replace")
            raise RuntimeError(f"the process that forks ranks: {answer['error']}\n{shown}")
        return answer

    def start(
        self,
        script: pathlib.Path,
        environ: Mapping[str, str],
        out: pathlib.Path,
        err: pathlib.Path,
    ) -> Forked:
        """Forks a process that runs `script`, in a session of its own, its output in files."""
        files = {"script": str(script), "out": str(out), "err": str(err)}
        environ = dict(environ)
        answer = self.ask(do="start", cwd=os.getcwd(), environ=environ, **files)
        return Forked(self, answer["pid"])

    def _close(self) -> None:
        self._answers.close()
        self._socket.close()
        self.popen.wait()


class Forked:
    """A forked process; what is here of subprocess.Popen does the same."""

    def __init__(self, server: _Server, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        self._waited = False

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask(do="poll", pid=self.pid)["code"]
        return self.returncode

    def wait(self) -> int:
        if not self._waited:
            self._waited = True
            self.returncode = self._server.ask(do="wait", pid=self.pid)["code"]
        return self.returncode


def can_fork(environ: Mapping[str, str]) -> bool:
    """Whether a process with this environment may be forked: it differs in what is read later."""
    # With more threads, libraries start them as soon as they are imported: no state to fork in.
    one_thread = ENVIRON["OMP_NUM_THREADS"] == "1"
    return sys.platform == "linux" and one_thread and _fixed(environ) == _ENVIRON


def fork(
    rank: int,
    script: pathlib.Path,
    environ: Mapping[str, str],
    out: pathlib.Path,
    err: pathlib.Path,
) -> Forked:
    """Starts `script` as `rank`."""
    if not _servers:
        _servers.extend([_Server(), _Server()])  # which now import at the same time
    return _servers[rank % 2].start(script, environ, out, err)


def server_pids() -> set[int]:
    """The processes that fork others: they live as long as this one."""
    return {server.popen.pid for server in _servers}


def _fixed(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what is read later, and what has come to the tests' own process: imports set it."""
    here = os.environ
    new = {name for name, value in here.items() if value != _AT_START.get(name)}
    return {
        name: value
        for name, value in environ.items()
        if name == "DDL_TEST_SESSION"
        or not (name.startswith(_READ_LATER) or (name in new and value == here[name]))
    }


_ENVIRON = _fixed({**os.environ, **ENVIRON})
