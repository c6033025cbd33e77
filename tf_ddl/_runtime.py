"""This process' engine: made at first use, shared by the strategy and tf_ddl.collective.

It also sees to it that no rank is left waiting for one whose program ends: an uncaught exception
aborts the job with its text, a normal end says goodbye.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import types
import warnings

from tf_ddl import _core, _core_gpu, cluster, errors
from tf_ddl.options import Options
from tf_ddl.plan import files

__all__ = ["current_engine", "engine", "joined_size", "shutdown"]

_lock = threading.RLock()
_engine: _core.Engine | None = None  # guarded by _lock
_options: Options | None = None  # guarded by _lock
_hooks_installed = False  # guarded by _lock


def engine(
    options: Options | None = None, gpu: int = -1, place: cluster.Cluster | None = None
) -> _core.Engine:
    """The engine of this process; joins the job (environment variables `DDL_*`) at first use.

    Args:
      options: how to join; None means from the environment. Once joined, other options than the
        first ones are an error.
      gpu: number of the GPU whose memory is to be reduced, as the CUDA driver counts; -1: none. An
        engine that is there without one stays so.
      place: in which job, as which rank; None means from the environment.

    Raises:
      PeerLostError, NotInitializedError: NCCL is asked for and cannot be used; see
        `_core.Engine.create`.
      InvalidArgumentError: ill-formed environment, or options or a place that differ from the
        first ones.
      DeadlineError, SecretError, DuplicateError: see `_core.Engine.create`.
    """
    global _engine, _options
    with _lock:
        if _engine is not None:
            if options is not None and options != _options:
                raise errors.InvalidArgumentError(
                    f"this process has joined its job with {_options}; it cannot join again with "
                    f"{options}. Use one set of options, or call tf_ddl.collective.shutdown() first"
                )
            if place is not None and (place.rank, place.size) != (_engine.rank, _engine.size):
                raise errors.InvalidArgumentError(
                    f"this process has joined as rank {_engine.rank} of {_engine.size}; it "
                    f"cannot join as rank {place.rank} of {place.size}. Make the strategy before "
                    "anything else uses tf_ddl, or call tf_ddl.collective.shutdown() first"
                )
            return _engine
        options = options if options is not None else Options.from_environment()
        here = cluster.from_environment() if place is None else place
        _warn_when_crowded(here)
        described = files.describe(options)
        own_gpu = _core_gpu.Gpu(gpu, options) if gpu >= 0 else None
        _engine = _core.Engine.create(here, options, described, own_gpu)
        _options = options
        measured = options.measure_links and not options.deterministic and not described.links
        if here.size > 1 and here.rank == 0 and options.links and measured:
            known = _engine.plans()
            if known:  # else the job has failed already, and the first call says why
                files.save_links(options.links, known["links"])
        _install_hooks()
        return _engine


def current_engine() -> _core.Engine:
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


def _warn_when_crowded(here: cluster.Cluster) -> None:
    cores = len(os.sched_getaffinity(0))
    if here.local_size > cores and here.local_rank == 0:
        warnings.warn(
            f"{here.local_size} workers share the {cores} core(s) of this machine; this works, "
            "but more workers will not make it faster",
            stacklevel=3,
        )


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
