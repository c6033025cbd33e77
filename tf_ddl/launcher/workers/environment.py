"""What each worker finds in its environment, and how many cores there are to share."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["HOST", "available_cores", "worker_environments"]

#: Where the workers of one host meet.
HOST = "127.0.0.1"

#: Each limits how many threads a library computes with.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_environments(
    num_workers: int,
    rendezvous: str,
    secret: str,
    *,
    base: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
    threads: int | None = None,
) -> list[dict[str, str]]:
    """Environment variables of each worker, by rank.

    Args:
      num_workers: number of workers, all on this host.
      rendezvous: "host:port" of the store that the launcher runs.
      secret: the job's secret.
      base: variables to start from; default `os.environ`.
      extra: variables that every worker gets on top of `base`.
      threads: compute threads per worker. None: cores / num_workers, at least 1, unless a
        variable of `THREAD_VARIABLES` is already set.
    """
    common = dict(os.environ if base is None else base)
    common.update(extra or {})
    common["PYTHONUNBUFFERED"] = "1"
    # A crash in compiled code then shows the Python line that led there.
    common.setdefault("PYTHONFAULTHANDLER", "1")
    if threads is not None:
        common.update({name: str(threads) for name in THREAD_VARIABLES})
    else:
        share = max(1, available_cores() // num_workers)
        for name in THREAD_VARIABLES:
            common.setdefault(name, str(share))
    common["DDL_RENDEZVOUS"] = rendezvous
    common["DDL_SECRET"] = secret
    common["DDL_STORE"] = "launcher"
    common["DDL_SIZE"] = common["DDL_LOCAL_SIZE"] = str(num_workers)
    return [
        {**common, "DDL_RANK": str(rank), "DDL_LOCAL_RANK": str(rank)}
        for rank in range(num_workers)
    ]
