"""Real worker processes for tests, started by hand with the `DDL_*` variables.

    results = run_workers(fn, 3)             # fn's source runs in 3 processes; all must end well
    with start_workers(fn, 3) as workers:    # to do something to them meanwhile
        workers.wait_for_line(1, "training")
        workers[1].send(signal.SIGKILL)
        results = workers.wait(timeout=10)

Nothing that is started here outlives its block, and a failure shows what every rank has printed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import inspect
import itertools
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import warm_start
from time_limits import limit

from tf_ddl.launcher.workers import bootstrap

__all__ = [
    "Result",
    "Workers",
    "free_port",
    "is_running",
    "run_ddlrun",
    "run_workers",
    "start_workers",
]

_POLL = 0.02  # seconds


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a worker: `seconds` from the start of all workers to its end."""

    rank: int
    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def _own_ports() -> Iterator[int]:
    """A hundred ports, again and again, that no other run of tests takes meanwhile."""
    for number in itertools.count(os.getpid()):
        first = 10_000 + number % 200 * 100
        path = pathlib.Path(tempfile.gettempdir(), f"tf_ddl.test.ports.{first}")
        with contextlib.suppress(OSError), open(path, "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while True:
                yield from range(first, first + 100)


_ports = _own_ports()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses, nor is given without asking: those are higher."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("numbers do not end")


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class _Process:
    def __init__(
        self, rank: int, popen: subprocess.Popen | warm_start.Forked, folder: pathlib.Path
    ) -> None:
        self.rank = rank
        self.popen = popen
        self.folder = folder
        self.ended: float | None = None

    @property
    def pid(self) -> int:
        return self.popen.pid

    def send(self, number: int) -> None:
        if self.popen.poll() is None:
            os.killpg(self.pid, number)

    def has_ended(self) -> bool:
        if self.ended is None and self.popen.poll() is not None:
            self.ended = time.monotonic()
        return self.ended is not None

    def text(self, stream: str) -> str:
        path = self.folder / f"rank.{self.rank}.{stream}"
        return path.read_text(encoding="utf-8", errors="replace")


class Workers:
    """Running workers, by rank."""

    def __init__(self, processes: list[_Process]) -> None:
        self._processes = processes
        self.started = time.monotonic()

    def __getitem__(self, rank: int) -> _Process:
        return next(process for process in self._processes if process.rank == rank)

    def wait_for_line(self, rank: int, text: str, timeout: float = 60.0) -> None:
        """Waits until `rank` has printed `text`."""
        deadline = time.monotonic() + limit(timeout)
        while text not in self[rank].text("out"):
            if time.monotonic() > deadline or self[rank].has_ended():
                raise AssertionError(f"rank {rank} never printed {text!r}\n{self.describe()}")
            time.sleep(_POLL)

    def wait(self, timeout: float, ranks: Sequence[int] | None = None) -> list[Result]:
        """Waits until the workers (or those of `ranks`) have ended.

        They have `timeout` seconds on a machine that does nothing else: see time_limits.py.
        """
        timeout = limit(timeout)
        waited = [p for p in self._processes if ranks is None or p.rank in ranks]
        deadline = time.monotonic() + timeout
        while running := [process for process in waited if not process.has_ended()]:
            if time.monotonic() > deadline:
                for process in running:  # faulthandler then shows where each of them is
                    process.send(signal.SIGABRT)
                time.sleep(1.0)
                raise AssertionError(f"not all ranks ended within {timeout} s\n{self.describe()}")
            time.sleep(_POLL)
        return [self._result(process) for process in waited]

    def describe(self) -> str:
        """Everything that the workers have printed."""
        parts = []
        for process in self._processes:
            state = process.popen.poll()
            how = "still running" if state is None else f"exit code {state}"
            parts.append(f"---- rank {process.rank}: {how}")
            for stream in ("out", "err"):
                parts += [f"{stream}| {line}" for line in process.text(stream).splitlines()[-80:]]
        return "\n".join(parts)

    def _result(self, process: _Process) -> Result:
        return Result(
            rank=process.rank,
            returncode=process.popen.returncode,
            stdout=process.text("out"),
            stderr=process.text("err"),
            seconds=process.ended - self.started,
        )

    def close(self) -> None:
        for process in self._processes:
            # The group may outlive its first process.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.popen.wait()


@contextlib.contextmanager
def start_workers(
    script: str | Callable,
    n: int,
    *,
    args: Sequence = (),
    env: Mapping[str, str] | None = None,
    env_by_rank: Mapping[int, Mapping[str, str]] | None = None,
    ranks: Sequence[int] | None = None,
    fresh: bool | None = None,
) -> Iterator[Workers]:
    """Starts the workers of a job of `n` ranks on this host.

    Args:
      script: source text, or a function whose source is taken: it may use nothing but its
        arguments and what it imports itself.
      n: world size.
      args: the function's arguments; anything that `repr` writes as Python.
      env: environment variables on top of this process's.
      env_by_rank: more of them, by rank; "" unsets one.
      ranks: start these only; default: all.
      fresh: True: start new interpreters, as a launcher does. False: fork each rank from a process
        that has imported TensorFlow and Keras already, unless a variable is set that those may have
        read. None: fork them if the script names TensorFlow or Keras, unless DDL_TEST_FORK=0.
    """
    common = dict(os.environ)
    common.update(
        DDL_SIZE=str(n),
        DDL_RENDEZVOUS=f"127.0.0.1:{free_port()}",
        DDL_SECRET=secrets.token_hex(8),
        **warm_start.ENVIRON,
    )
    common.update(env or {})
    with tempfile.TemporaryDirectory(prefix="tf_ddl.test.") as name:
        folder = pathlib.Path(name)
        path = folder / "script.py"
        source = _source(script, args)
        path.write_text(source, encoding="utf-8")
        if fresh is None:
            forked = os.environ.get("DDL_TEST_FORK") != "0"
            fresh = not forked or not re.search("tensorflow|keras|DDLStrategy", source)
        processes: list[_Process] = []
        workers = Workers(processes)
        try:
            for rank in range(n) if ranks is None else ranks:
                own = {**common, "DDL_RANK": str(rank), **(env_by_rank or {}).get(rank, {})}
                own = {name: value for name, value in own.items() if value != ""}
                processes.append(_start(rank, path, own, fresh))
            yield workers
        finally:
            workers.close()


def run_workers(
    script: str | Callable,
    n: int,
    *,
    args: Sequence = (),
    env: Mapping[str, str] | None = None,
    env_by_rank: Mapping[int, Mapping[str, str]] | None = None,
    ranks: Sequence[int] | None = None,
    fresh: bool | None = None,
    timeout: float = 120.0,
    expect_failure: bool | None = False,
) -> list[Result]:
    """Runs the workers to their end.

    All may take `timeout` seconds together, where nothing else runs. `expect_failure` False: all
    must end with exit code 0; True: none may; None: either. For the other arguments see
    `start_workers`.
    """
    with start_workers(
        script, n, args=args, env=env, env_by_rank=env_by_rank, ranks=ranks, fresh=fresh
    ) as workers:
        results = workers.wait(timeout)
        failed = [result.rank for result in results if result.returncode != 0]
        if expect_failure is not None and len(failed) != (len(results) if expect_failure else 0):
            wanted = "all" if expect_failure else "none"
            raise AssertionError(f"{wanted} should fail, {failed} did\n{workers.describe()}")
        return results


def run_ddlrun(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    cwd: str | os.PathLike | None = None,
) -> subprocess.CompletedProcess:
    """Runs `ddlrun` as a process of its own; output as text, progress bars untouched.

    Not in the repository, where `-m` would find the sources before the installed package. It has
    `timeout` seconds on a machine that does nothing else: see time_limits.py.
    """
    timeout = limit(timeout)
    command = [sys.executable, "-m", "tf_ddl.run", *arguments]
    common = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **(env or {})}
    with subprocess.Popen(
        command,
        env=common,
        cwd=cwd or tempfile.gettempdir(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as popen:
        try:
            out, err = popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            popen.send_signal(signal.SIGTERM)  # it stops its workers
            try:
                out, err = popen.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                popen.kill()
                out, err = popen.communicate()
            shown = (out + err).decode("utf-8", "replace")
            raise AssertionError(f"{command} took more than {timeout} s\n{shown}") from None
    return subprocess.CompletedProcess(command, popen.returncode, out.decode(), err.decode())


def _source(script: str | Callable, args: Sequence) -> str:
    if isinstance(script, str):
        return textwrap.dedent(script)
    source = textwrap.dedent(inspect.getsource(script))
    arguments = ", ".join(repr(argument) for argument in args)
    return f"{source}\n\nif __name__ == '__main__':\n    {script.__name__}({arguments})\n"


def _start(rank: int, script: pathlib.Path, environ: Mapping[str, str], fresh: bool) -> _Process:
    folder = script.parent
    out, err = folder / f"rank.{rank}.out", folder / f"rank.{rank}.err"
    if not fresh and warm_start.can_fork(environ):
        return _Process(rank, warm_start.fork(rank, script, environ, out, err), folder)
    command = [sys.executable, "-I", "-S", bootstrap.__file__, str(os.getpid())]
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        popen = subprocess.Popen(
            [*command, sys.executable, str(script)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    return _Process(rank, popen, folder)
