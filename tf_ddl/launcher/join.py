"""Joins the job that this process was started for: who it is, what is described, its engine."""

from __future__ import annotations

import os
import warnings

from tf_ddl import errors
from tf_ddl._native import process_engine
from tf_ddl._native.engine import Engine
from tf_ddl._native.gpu import Gpu
from tf_ddl.launcher.identity import Identity, from_environment
from tf_ddl.options import Options
from tf_ddl.plan import files

__all__ = ["join"]


def join(options: Options | None = None, gpu: int = -1, place: Identity | None = None) -> Engine:
    """The engine of this process; joins the job (environment variables `DDL_*`) at first use.

    Args:
      options: how to join; None means from the environment. Once joined, other options than the
        first ones are an error.
      gpu: number of the GPU whose memory is to be reduced, as the CUDA driver counts; -1: none. An
        engine that is there without one stays so.
      place: in which job, as which rank; None means from the environment.

    Raises:
      PeerLostError, NotInitializedError: NCCL is asked for and cannot be used; see
        `Engine.create`.
      InvalidArgumentError: ill-formed environment, or options or a place that differ from the
        first ones.
      DeadlineError, SecretError, DuplicateError: see `Engine.create`.
    """

    def create() -> tuple[Engine, Options]:
        chosen = options if options is not None else Options.from_environment()
        here = from_environment() if place is None else place
        return _create(chosen, gpu, here), chosen

    wanted = None if place is None else (place.rank, place.size)
    return process_engine.get_or_create(options, wanted, create)


def _create(options: Options, gpu: int, here: Identity) -> Engine:
    _warn_when_crowded(here)
    described = files.describe(options)
    engine = Engine.create(here, options, described, Gpu(gpu, options) if gpu >= 0 else None)
    measured = options.measure_links and not options.deterministic and not described.links
    if here.size > 1 and here.rank == 0 and options.links and measured:
        known = engine.plans()
        if known:  # else the job has failed already, and the first call says why
            try:
                files.save_links(options.links, known["links"])
            except errors.DDLError as error:
                engine.abort(str(error))  # nobody would know of this engine
                raise
    return engine


def _warn_when_crowded(here: Identity) -> None:
    cores = len(os.sched_getaffinity(0))
    if here.local_size > cores and here.local_rank == 0:
        warnings.warn(
            f"{here.local_size} workers share the {cores} core(s) of this machine; this works, "
            "but more workers will not make it faster",
            stacklevel=6,
        )
