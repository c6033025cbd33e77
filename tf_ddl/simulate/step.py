"""One training step on a modelled cluster: the core's planner and simulator by way of ctypes."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
from collections.abc import Sequence

from tf_ddl._native import library

from .cluster import Cluster

__all__ = ["Bucket", "Engine", "Outcome", "simulate"]


class _Cluster(ctypes.Structure):
    _fields_ = [
        ("ranks", ctypes.c_int32),
        ("ranks_per_host", ctypes.c_int32),
        ("local_alpha", ctypes.c_double),
        ("local_beta", ctypes.c_double),
        ("gamma", ctypes.c_double),
        ("rails", ctypes.c_int32),
        ("rail_alpha", ctypes.POINTER(ctypes.c_double)),
        ("rail_beta", ctypes.POINTER(ctypes.c_double)),
        ("grid", ctypes.c_char_p),
        ("shared_engine", ctypes.c_int32),
    ]


class _Engine(ctypes.Structure):
    _fields_ = [
        ("plan", ctypes.c_char_p),
        ("chunk_bytes", ctypes.c_int64),
        ("first_bucket_bytes", ctypes.c_int64),
        ("bucket_bytes", ctypes.c_int64),
        ("max_lanes", ctypes.c_int32),
        ("fold", ctypes.c_int32),
    ]


@dataclasses.dataclass(frozen=True)
class Engine:
    """How gradients are reduced.

    Attributes:
      plan: an algorithm's name; "" takes the cheapest for each bucket, as the engine does.
      grid: "4x8x8": lengths of a grid's dimensions, X (within a host) first; "" has it chosen.
      chunk_bytes: of a lane, per rank; 0 has it chosen.
      first_bucket_bytes: as `Options.first_bucket_bytes`.
      bucket_bytes: as `Options.bucket_bytes`.
      fold: whether hosts that do the same are simulated as one.
    """

    plan: str = ""
    grid: str = ""
    chunk_bytes: int = 0
    first_bucket_bytes: int = 256 << 10
    bucket_bytes: int = 4 << 20
    fold: bool = True


@dataclasses.dataclass(frozen=True)
class Bucket:
    """What became of a bucket: bytes; seconds after the step's begin; its plan in words."""

    bytes: int
    start: float
    end: float
    plan: str


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A simulated step.

    Attributes:
      seconds: from the step's begin to when every rank has all gradients reduced.
      buckets: in the order in which they became complete.
      messages: that were simulated.
      folded: whether one host stood for all.
    """

    seconds: float
    buckets: tuple[Bucket, ...]
    messages: int
    folded: bool


@functools.cache
def _declare() -> None:
    i64, f64, ref = ctypes.c_int64, ctypes.c_double, ctypes.POINTER
    arguments = [
        ref(_Cluster), ref(_Engine), ctypes.c_int32, ref(i64), ref(f64), ref(f64),
        ref(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_size_t,
    ]  # fmt: skip
    library.declare({"ddl_simulate": (ctypes.c_int, arguments)})


def simulate(cluster: Cluster, engine: Engine, gradients: Sequence[tuple[int, float]]) -> Outcome:
    """Reduces float32 gradients on a modelled cluster.

    Args:
      cluster: the cluster.
      engine: plans and buckets.
      gradients: elements of each, and when it is ready on every rank (seconds after the step's
        begin).

    Raises:
      InvalidArgumentError: the plan cannot be made for this cluster; says why.
    """
    _declare()
    alphas = [rail.latency_us * 1e-6 for rail in cluster.rails]
    betas = [1e-9 / rail.gb_per_s for rail in cluster.rails]
    rails = len(cluster.rails)
    native_cluster = _Cluster(
        ranks=cluster.gpus,
        ranks_per_host=cluster.gpus_per_host,
        local_alpha=cluster.local.latency_us * 1e-6,
        local_beta=1e-9 / cluster.local.gb_per_s,
        gamma=1e-9 / cluster.add_gb_per_s,
        rails=rails,
        rail_alpha=(ctypes.c_double * rails)(*alphas),
        rail_beta=(ctypes.c_double * rails)(*betas),
        grid=engine.grid.encode(),
        shared_engine=cluster.shared_engine,
    )
    native_engine = _Engine(
        plan=engine.plan.encode(),
        chunk_bytes=engine.chunk_bytes,
        first_bucket_bytes=engine.first_bucket_bytes,
        bucket_bytes=engine.bucket_bytes,
        max_lanes=cluster.max_lanes,
        fold=engine.fold,
    )
    count = len(gradients)
    end = ctypes.c_double()
    report = ctypes.c_void_p()
    library.call(
        "ddl_simulate",
        ctypes.byref(native_cluster),
        ctypes.byref(native_engine),
        count,
        (ctypes.c_int64 * count)(*(elements for elements, _ in gradients)),
        (ctypes.c_double * count)(*(ready for _, ready in gradients)),
        ctypes.byref(end),
        ctypes.byref(report),
    )
    values = library.take_json(report.value)
    buckets = tuple(Bucket(**bucket) for bucket in values["buckets"])
    return Outcome(end.value, buckets, values["messages"], values["folded"])
