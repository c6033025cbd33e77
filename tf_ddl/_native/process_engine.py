"""This process' engine: made at first use, shared by the strategy and tf_ddl.collective.

It also sees to it that no rank is left waiting for one whose program ends: an uncaught exception
aborts the job with its text, a normal end says goodbye.
"""

from __future__ import annotations

import atexit
import sys
import threading
import types
from collections.abc import Callable

from tf_ddl import errors
from tf_ddl._native.engine import Engine
from tf_ddl.options import Options

__all__ = ["current_engine", "get_or_create", "joined_size", "shutdown"]

_lock = threading.RLock()
_engine: Engine | None = None  # guarded by _lock
_options: Options | None = None  # guarded by _lock
_hooks_installed = False  # guarded by _lock


def get_or_create(
    options: Options | None,
    place: tuple[int, int] | None,
    create: Callable[[], tuple[Engine, Options]],
) -> Engine:
    """The engine of this process; at first use the one that `create` makes.

    Args:
      options: what the caller wants it to have been made with; None: no matter.
      place: the rank and the size that the caller wants it to have; None: no matter.
      create: joins a job; gives its engine and the options that it was made with.

    Raises:
      InvalidArgumentError: there is an engine that was made with other options, or has another
        place.
    """
    global _engine, _options
    with _lock:
        if _engine is None:
            _engine, _options = create()
            _install_hooks()
            return _engine
        if options is not None and options != _options:
            raise errors.InvalidArgumentError(
                f"this process has joined its job with {_options}; it cannot join again with "
                f"{options}. Use one set of options, or call tf_ddl.collective.shutdown() first"
            )
        if place is not None and place != (_engine.rank, _engine.size):
            raise errors.InvalidArgumentError(
                f"this process has joined as rank {_engine.rank} of {_engine.size}; it "
                f"cannot join as rank {place[0]} of {place[1]}. Make the strategy before "
                "anything else uses tf_ddl, or call tf_ddl.collective.shutdown() first"
            )
        return _engine


def current_engine() -> Engine:
    """The engine, if this process has one.

    Raises:
      NotInitializedError: it has none.
    """
    with _lock:
        if _engine is None:
            raise errors.NotInitializedError(
                "tf_ddl is not initialised in this process: call tf_ddl.collective.init() or make "
                "a tf_ddl.DDLStrategy() first"
            )
        return _engine


def joined_size() -> int:
    """The number of processes of the job that this one has joined; 0 if none."""
    with _lock:
        return 0 if _engine is None else _engine.size


def shutdown() -> None:
    """Leaves the job. Idempotent; `engine()` may join again afterwards."""
    global _engine, _options
    with _lock:
        leaving, _engine, _options = _engine, None, None
    if leaving is not None:
        leaving.shutdown()


def _install_hooks() -> None:
    global _hooks_installed
    if _hooks_installed:
        return
    _hooks_installed = True
    atexit.register(shutdown)
    previous = sys.excepthook

    def abort_then_report(
        kind: type[BaseException],
        value: BaseException,
        traceback: types.TracebackType | None,
    ) -> None:
        with _lock:
            joined = _engine
        if joined is not None:
            text = f"{kind.__name__}: {value}".strip()
            joined.abort(f"the program raised {text[:1000]}")
        previous(kind, value, traceback)

    sys.excepthook = abort_then_report
