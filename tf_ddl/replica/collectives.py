"""Collectives on what users pass: nested structures, sparse, ragged and string tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_ddl._native.engine import Engine
from tf_ddl._tf import ops
from tf_ddl._tf.private_api import IndexedSlices, ReduceOp, tf
from tf_ddl.checks import reductions

__all__ = [
    "all_gather",
    "all_reduce",
    "broadcast",
    "reduce_op_name",
]


def reduce_op_name(reduce_op: Any) -> str:
    """ "sum" or "mean" for a `tf.distribute.ReduceOp` or its name in any case.

    Raises:
      ValueError: anything else.
    """
    if isinstance(reduce_op, str):
        try:
            reduce_op = ReduceOp(reduce_op.upper())
        except ValueError:
            raise ValueError(f"reduce_op must be SUM or MEAN, not {reduce_op!r}") from None
    if reduce_op == ReduceOp.SUM:
        return "sum"
    if reduce_op == ReduceOp.MEAN:
        return "mean"
    raise ValueError(f"reduce_op must be SUM or MEAN, not {reduce_op!r}")


# --- all-reduce -----------------------------------------------------------------------------------


def _to_reducible(tensor: tf.Tensor, reduce_op: str) -> tuple[tf.Tensor, Any]:
    """A tensor of a dtype that the core can add, and the function that leads back."""
    dtype = tensor.dtype
    if dtype in ops.REDUCIBLE:
        return tensor, lambda reduced: reduced
    if dtype.is_integer:
        return tf.cast(tensor, tf.int64), lambda reduced: tf.cast(reduced, dtype)
    if dtype.is_complex:
        parts = tf.stack([tf.math.real(tensor), tf.math.imag(tensor)], axis=-1)
        return parts, lambda reduced: tf.complex(reduced[..., 0], reduced[..., 1])
    raise TypeError(
        f"cannot take the {reduce_op} over ranks of a {dtype.name} tensor; "
        "cast it to a number type first"
    )


def _all_reduce_sparse(
    engine: Engine,
    value: IndexedSlices,
    reduce_op: str,
    name: str,
    contributes: Any,
    must_be_finite: bool,
) -> IndexedSlices:
    """All rows of all ranks: the sum of sparse gradients is their concatenation."""
    mine = tf.convert_to_tensor(value.values)
    if contributes is not True:
        mine = tf.where(contributes, mine, tf.zeros_like(mine))
    values, rows = ops.all_gather(engine, mine, name)
    if engine.check_reductions and must_be_finite:
        values = reductions.checked_rows(engine, values, rows, name or "a sparse gradient")
    indices, _ = ops.all_gather(
        engine, tf.convert_to_tensor(value.indices), f"{name} (indices)" if name else ""
    )
    if reduce_op == "mean":
        values = values / tf.cast(engine.size, values.dtype)
    return IndexedSlices(values, indices, dense_shape=value.dense_shape)


def all_reduce(
    engine: Engine,
    value: Any,
    reduce_op: str,
    names: Sequence[str] | None = None,
    contributes: Any = True,
    must_be_finite: bool = False,
) -> Any:
    """All-reduces every leaf of `value`.

    Args:
      engine: where.
      value: nested structure of tensors (or what converts to them) and `tf.IndexedSlices`, the
        same on every rank. Dense leaves are one group; None leaves stay.
      reduce_op: "sum" or "mean".
      names: one per leaf, for messages.
      contributes: see `_tf.ops.all_reduce`.
      must_be_finite: whether `Options.check_reductions` is to look for NaN and infinity.

    Raises:
      TypeError: a leaf cannot be added (strings, booleans).
    """
    leaves = tf.nest.flatten(value)
    if names is not None and len(names) != len(leaves):
        names = None
    results: list[Any] = [None] * len(leaves)
    dense: list[tuple[int, tf.Tensor, Any]] = []
    for i, leaf in enumerate(leaves):
        if leaf is None:
            continue
        if isinstance(leaf, IndexedSlices):
            name = names[i] if names else ""
            results[i] = _all_reduce_sparse(
                engine, leaf, reduce_op, name, contributes, must_be_finite
            )
        elif isinstance(leaf, (tf.RaggedTensor, tf.SparseTensor)):
            raise TypeError(
                f"cannot reduce a {type(leaf).__name__}: its shape may differ between ranks"
            )
        else:
            dense.append((i, *_to_reducible(tf.convert_to_tensor(leaf), reduce_op)))
    tensors = [tensor for _, tensor, _ in dense]
    dense_names = None if names is None else [names[i] for i, _, _ in dense]
    reduced = ops.all_reduce(engine, tensors, reduce_op, names=dense_names, contributes=contributes)
    if engine.check_reductions and dense:
        reduced = reductions.checked(
            engine,
            tensors,
            reduced,
            reduce_op,
            dense_names or [f"number {i}" for i, _, _ in dense],
            contributes,
            must_be_finite,
        )
    for (i, _, back), tensor in zip(dense, reduced):
        results[i] = back(tensor)
    return tf.nest.pack_sequence_as(value, results)


# --- all-gather -----------------------------------------------------------------------------------


def _gather_strings(engine: Engine, strings: tf.Tensor) -> tf.Tensor:
    """Strings travel as their bytes and their lengths."""
    flat = tf.reshape(strings, [-1])
    lengths, _ = ops.all_gather(engine, tf.strings.length(flat))
    data, _ = ops.all_gather(engine, tf.io.decode_raw(tf.strings.reduce_join(flat), tf.uint8))
    alphabet = tf.constant([bytes([i]) for i in range(256)])
    letters = tf.gather(alphabet, tf.cast(data, tf.int32))
    number = tf.size(lengths, out_type=tf.int64)
    owner = tf.repeat(tf.range(number), lengths)
    joined = tf.strings.unsorted_segment_join(letters, owner, number)
    return tf.reshape(joined, tf.concat([[-1], tf.shape(strings)[1:]], axis=0))


def _gather_ragged(engine: Engine, value: tf.RaggedTensor) -> tf.RaggedTensor:
    flat = _gather_rows(engine, value.flat_values)
    lengths = [ops.all_gather(engine, n)[0] for n in value.nested_row_lengths()]
    return tf.RaggedTensor.from_nested_row_lengths(flat, lengths, validate=False)


def _gather_sparse(engine: Engine, value: tf.SparseTensor) -> tf.SparseTensor:
    shapes, _ = ops.all_gather(engine, value.dense_shape[tf.newaxis])
    before = tf.reduce_sum(shapes[: engine.rank, 0])
    shift = tf.concat([[before], tf.zeros_like(value.dense_shape[1:])], axis=0)
    indices, _ = ops.all_gather(engine, value.indices + shift)
    values = _gather_rows(engine, value.values)
    shape = tf.concat([[tf.reduce_sum(shapes[:, 0])], tf.reduce_max(shapes[:, 1:], axis=0)], axis=0)
    return tf.SparseTensor(indices, values, shape)


def _gather_rows(engine: Engine, value: Any) -> Any:
    if isinstance(value, tf.RaggedTensor):
        return _gather_ragged(engine, value)
    if isinstance(value, tf.SparseTensor):
        return _gather_sparse(engine, value)
    if value.dtype == tf.string:
        return _gather_strings(engine, value)
    return ops.all_gather(engine, value)[0]


def _gather_leaf(engine: Engine, value: Any, axis: Any) -> Any:
    if isinstance(value, IndexedSlices):
        raise NotImplementedError("gather does not support IndexedSlices")
    axis = axis if isinstance(axis, int) else tf.get_static_value(tf.convert_to_tensor(axis))
    if axis is None:
        raise ValueError("gather needs an axis that is known when the function is traced")
    axis = int(axis)
    if isinstance(value, (tf.RaggedTensor, tf.SparseTensor)):
        if axis != 0:
            raise ValueError(f"ragged and sparse tensors are gathered along axis 0, not {axis}")
        return _gather_rows(engine, value)
    value = tf.convert_to_tensor(value)
    rank = value.shape.rank
    if rank == 0:
        raise ValueError(
            "gather needs tensors of at least one dimension; use tf.expand_dims or "
            "tf.reshape(value, [1]) first"
        )
    if axis == 0:
        return _gather_rows(engine, value)
    if rank is None:
        raise ValueError("gather along another axis than 0 needs tensors of known rank")
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for a tensor of {rank} dimensions")
    axis %= rank
    there = [axis, *(d for d in range(rank) if d != axis)]
    back = [there.index(d) for d in range(rank)]
    return tf.transpose(_gather_rows(engine, tf.transpose(value, there)), back)


def all_gather(engine: Engine, value: Any, axis: Any = 0) -> Any:
    """Concatenates every leaf of `value` along `axis`, in rank order.

    Args:
      engine: where.
      value: nested structure of tensors of any dtype, with at least one dimension; sizes along
        `axis` may differ between ranks. Ragged and sparse tensors along axis 0.
      axis: int, or a scalar tensor whose value is known at tracing.

    Raises:
      ValueError: a scalar leaf, or an axis that does not exist.
    """
    return tf.nest.map_structure(lambda leaf: _gather_leaf(engine, leaf, axis), value)


def broadcast(engine: Engine, tensor: tf.Tensor, root: int = 0, name: str = "") -> tf.Tensor:
    """The root's tensor on every rank; any dtype, the same shape on every rank."""
    if tensor.dtype == tf.string:
        everybodys = _gather_strings(engine, tf.reshape(tensor, [1, -1]))
        return tf.reshape(everybodys[root], tf.shape(tensor))
    return ops.broadcast(engine, tensor, root=root, name=name)
