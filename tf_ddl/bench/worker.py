"""A worker process of the benchmark: `python worker.py ADDRESS SUBJECT RANK SIZE`.

It is run by file name, in whatever interpreter its contender needs, which may not have tf_ddl: the
modules beside it are imported as a package of their own. RANK is -1 where a launcher (mpirun,
horovodrun) decides; then it is in the environment.

The parent sends commands (see `_Worker`) and gets one answer to each.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import os
import pathlib
import signal
import sys
import time
import traceback
from typing import Any

_HERE = pathlib.Path(__file__).resolve().parent
_PACKAGE = "ddl_bench"
_RANK_VARIABLES = ("HOROVOD_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
_SPIN = 300e-6  # seconds before a common start during which nobody sleeps


class _Worker:
    """The commands, one method each."""

    def __init__(self, what: str, rank: int, size: int) -> None:
        module, _, name = what.partition(":")
        self._subject = getattr(_module(module), name)(rank, size)
        self._now = _module("subject").Moment.now
        self._busy_seconds = _module("machine").busy_seconds

    def open(self, message: dict[str, Any]) -> dict[str, Any]:
        about = self._subject.open()
        return {"about": {"python": sys.version.split()[0], **about}}

    def prepare(self, message: dict[str, Any]) -> dict[str, Any]:
        """A new workload; a first run finds out how long it takes."""
        self._subject.prepare(message["spec"])
        self._subject.reset()
        self._subject.run(1)
        return {"wrong": self._subject.check(1)}

    def ready(self, message: dict[str, Any]) -> dict[str, Any]:
        """Warms up and writes the initial values."""
        if message["warmup"]:
            self._subject.reset()
            self._subject.run(message["warmup"])
        self._subject.reset()
        return {}

    def go(self, message: dict[str, Any]) -> dict[str, Any]:
        """Runs `count` times from the common start `at`, and checks the results."""
        _wait_until(message["at"])
        busy = self._busy_seconds()
        first = self._now()
        part = self._subject.run(message["count"])
        last = self._now()
        begin, end = part or (first, last)
        return {
            "begin": begin.clock,
            "end": end.clock,
            "cpu": end.cpu - begin.cpu,
            "window": last.clock - first.clock,
            "busy": self._busy_seconds() - busy,
            "own": last.cpu - first.cpu,
            "wrong": self._subject.check(message["count"]),
            "digest": self._subject.digest(),
        }

    def blocked(self, message: dict[str, Any]) -> dict[str, Any]:
        """CPU seconds burned while rank 0 comes `seconds` late; on the others, that is."""
        _wait_until(message["at"])
        if self._subject.rank == 0:
            time.sleep(message["seconds"])
        cpu = time.process_time()
        begin = time.monotonic()
        self._subject.run(1)
        return {"cpu": time.process_time() - cpu, "seconds": time.monotonic() - begin}

    def idle(self, message: dict[str, Any]) -> dict[str, Any]:
        """CPU seconds burned while nobody asks for anything."""
        cpu = time.process_time()
        time.sleep(message["seconds"])
        return {"cpu": time.process_time() - cpu, "seconds": message["seconds"]}

    def close(self, message: dict[str, Any]) -> dict[str, Any]:
        self._subject.close()
        return {}


def _wait_until(start: float) -> None:
    rest = start - time.monotonic() - _SPIN
    if rest > 0:
        time.sleep(rest)
    while time.monotonic() < start:
        pass


def _rank(text: str) -> int:
    if int(text) >= 0:
        return int(text)
    for name in _RANK_VARIABLES:
        if name in os.environ:
            return int(os.environ[name])
    raise RuntimeError(f"the launcher has set none of {', '.join(_RANK_VARIABLES)}")


def _module(name: str) -> Any:
    return importlib.import_module(f"{_PACKAGE}.{name}")


def _load(name: str, path: pathlib.Path, **options: Any) -> Any:
    spec = importlib.util.spec_from_file_location(name, path, **options)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Serves the parent until it says `close` or ends."""
    address, what, rank_text, size = sys.argv[1:]
    faulthandler.register(signal.SIGUSR1)
    sys.path.pop(0)  # this folder: its modules are no top-level modules
    bootstrap = _load("ddl_bootstrap", _HERE.parent / "launcher" / "workers" / "bootstrap.py")
    bootstrap.die_with_parent(os.getppid())
    _load(_PACKAGE, _HERE / "__init__.py", submodule_search_locations=[str(_HERE)])
    rank = _rank(rank_text)
    channel = _module("wire").connect(address)
    channel.send({"rank": rank, "pid": os.getpid()})
    worker: _Worker | None = None
    while True:
        try:
            message = channel.receive(None)
        except ConnectionError:
            os._exit(1)  # the benchmark has ended; libraries' threads must not keep this alive
        try:
            if worker is None:
                worker = _Worker(what, rank, int(size))
            answer = getattr(worker, message["do"])(message)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            answer = {"error": text[:2000], "traceback": traceback.format_exc()}
            print(answer["traceback"], file=sys.stderr, flush=True)
        channel.send(answer)
        if message["do"] == "close":
            return


if __name__ == "__main__":
    main()
