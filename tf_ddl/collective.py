"""Collectives over numpy arrays, by the same engine as the strategy, without TensorFlow.

    import numpy as np
    from tf_ddl import collective

    collective.init()
    total = collective.all_reduce(np.ones(3, np.float32))   # [size, size, size]
    collective.shutdown()

Every rank must call the same collectives in the same order, from one thread at a time. They block
until the result is there, and raise `tf_ddl.errors.PeerLostError` when a rank is lost.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from tf_ddl import errors
from tf_ddl._native import process_engine
from tf_ddl._native.engine import DTYPES, Engine, TensorSpec
from tf_ddl.launcher.join import join
from tf_ddl.options import Options
from tf_ddl.plan import explain as _explain

__all__ = [
    "all_gather",
    "all_reduce",
    "barrier",
    "broadcast",
    "explain",
    "init",
    "rank",
    "shutdown",
    "size",
]

_serial = threading.Lock()


def init(options: Options | None = None) -> None:
    """Joins the job named by the `DDL_*` environment variables; a world of one without them.

    Raises:
      DeadlineError: a rank did not come in time; the message names it.
      SecretError, DuplicateError, InvalidArgumentError: refused, and why.
    """
    join(options)


def shutdown() -> None:
    """Leaves the job. Idempotent."""
    process_engine.shutdown()


def rank() -> int:
    """This process' number, from 0."""
    return process_engine.current_engine().rank


def size() -> int:
    """How many processes the job has."""
    return process_engine.current_engine().size


def all_reduce(array: np.ndarray, op: str = "sum", out: np.ndarray | None = None) -> np.ndarray:
    """The element-wise sum or mean of `array` over all ranks.

    Args:
      array: the same shape and dtype on every rank; float32, float64, float16, bfloat16
        (ml_dtypes), int32 or int64. 16-bit floats are added in float32.
      op: "sum" or "mean"; the mean of integers is rounded towards zero.
      out: where to put the result: a C-contiguous array of `array`'s shape and dtype, `array`
        itself for in place. None: a new array.

    Returns:
      `out`, or the new array.

    Raises:
      InvalidArgumentError: unsuitable arguments, or ranks that differ in shape, dtype or op; the
        whole job fails then.
      PeerLostError: a rank is lost.
      DeadlineError: a rank did not call within `Options.timeout` seconds.
    """
    engine = process_engine.current_engine()
    source = np.asarray(array)
    if out is None:
        out = np.empty(source.shape, source.dtype)
    elif out is not source and (out.shape != source.shape or out.dtype != source.dtype):
        raise errors.InvalidArgumentError(
            f"all_reduce: out is {out.dtype}{list(out.shape)}, "
            f"array {source.dtype}{list(source.shape)}"
        )
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise errors.InvalidArgumentError("all_reduce: out must be C-contiguous and writeable")
    if source is not out:
        shape = source.shape
        source = np.ascontiguousarray(source).reshape(shape)
        if np.may_share_memory(source, out):
            source = source.copy()
    call = (op, source.dtype, source.shape)
    with _serial:
        group = engine.collective_groups.get(call)
        if group is None:
            group = engine.collective_groups[call] = _all_reduce_group(engine, *call)
        engine.all_reduce(group, [source], [out])
    return out


def _all_reduce_group(engine: Engine, op: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    if op not in ("sum", "mean"):
        raise errors.InvalidArgumentError(f"all_reduce: op must be 'sum' or 'mean', not {op!r}")
    if dtype.name not in DTYPES:
        raise errors.InvalidArgumentError(
            f"all_reduce: dtype {dtype.name} cannot be reduced; use one of "
            + ", ".join(name for name in DTYPES if name != "bytes")
        )
    spec = TensorSpec(f"{dtype.name}{list(shape)}", dtype.name, shape)
    return engine.register_group(_key(f"all_reduce {op}", spec), "all_reduce", [spec], op)


def broadcast(array: np.ndarray, root: int = 0) -> np.ndarray:
    """`root`'s array, on every rank.

    Args:
      array: the same shape and dtype on every rank; any fixed-size dtype.
      root: the rank whose values are sent.

    Returns:
      A new array of `array`'s shape and dtype.

    Raises:
      InvalidArgumentError: unsuitable arguments, or ranks that differ in shape, dtype or root.
      PeerLostError, DeadlineError: see `all_reduce`.
    """
    engine = process_engine.current_engine()
    source = _movable("broadcast", array)
    if not 0 <= root < engine.size:
        raise errors.InvalidArgumentError(
            f"broadcast: root {root} is not a rank of a world of {engine.size}"
        )
    out = np.empty(source.shape, source.dtype)
    label = f"{source.dtype}{list(source.shape)}"
    spec = TensorSpec(label, "bytes", (source.nbytes,))
    with _serial:
        key = _key(f"broadcast from {root}", spec)
        group = engine.register_group(key, "broadcast", [spec], root=root)
        engine.broadcast(group, source, out, source.nbytes)
    return out


def all_gather(array: np.ndarray) -> np.ndarray:
    """All ranks' arrays, one behind the other along the first dimension, in rank order.

    Args:
      array: at least one dimension; the same dtype and the same shape but for the first
        dimension, which may differ from rank to rank (0 included).

    Returns:
      A new array of shape `[sum of first dimensions, ...]`.

    Raises:
      InvalidArgumentError: unsuitable arguments, or ranks that differ.
      PeerLostError, DeadlineError: see `all_reduce`.
    """
    engine = process_engine.current_engine()
    source = _movable("all_gather", array)
    if source.ndim == 0:
        raise errors.InvalidArgumentError("all_gather: a scalar has no first dimension")
    row_shape = source.shape[1:]
    row_bytes = source.dtype.itemsize * int(np.prod(row_shape, dtype=np.int64))
    label = f"{source.dtype}{[-1, *row_shape]}"
    spec = TensorSpec(label, "bytes", (-1, row_bytes))
    with _serial:
        key = _key("all_gather", spec)
        group = engine.register_group(key, "all_gather", [spec])
        data, counts = engine.all_gather(group, source, 1)
    if row_bytes == 0:
        rows = int(all_reduce(np.array([source.shape[0]], np.int64))[0])
        return np.empty((rows, *row_shape), source.dtype)
    rows = sum(counts) // row_bytes
    return np.frombuffer(bytearray(data), source.dtype).reshape((rows, *row_shape))


def explain(bucket_bytes: int = 4 << 20) -> str:
    """Which plans this job uses and why; see `DDLStrategy.explain`."""
    return _explain.explain(process_engine.current_engine().plans(), bucket_bytes)


def barrier() -> None:
    """Returns when every rank has called it.

    Raises:
      PeerLostError, DeadlineError: see `all_reduce`.
    """
    all_reduce(np.zeros(1, np.int32))


def _movable(what: str, array: np.ndarray) -> np.ndarray:
    source = np.asarray(array)
    if source.dtype.hasobject:
        raise errors.InvalidArgumentError(f"{what}: dtype {source.dtype} has no fixed size")
    return np.ascontiguousarray(source).reshape(source.shape)


def _key(what: str, spec: TensorSpec) -> str:
    # Calls of the same kind and shape share a group; the engine counts them.
    return f"{what} of {spec.name}"
