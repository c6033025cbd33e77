"""Collectives on what users pass: nested structures, sparse, ragged and string tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_ddl import _core, _ops, _reduction_check
from tf_ddl._tf_compat import IndexedSlices, ReduceOp, tf

__all__ = [
    "all_gather",
    "all_reduce",
    "broadcast",
    "is_batch",
    "is_batch_spec",
    "no_rows",
    "number_of_rows",
    "reduce_op_name",
    "row_of_zeros",
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


def number_of_rows(value: Any) -> Any:
    """Rows (first dimension) of a tensor, ragged or sparse tensor.

    Returns:
      An int where it is known, else an int64 scalar; None for what has no rows.
    """
    if isinstance(value, tf.RaggedTensor):
        return tf.cast(value.nrows(), tf.int64)
    if isinstance(value, tf.SparseTensor):
        return value.dense_shape[0]
    shape = getattr(value, "shape", None)
    if shape is None or isinstance(value, IndexedSlices):
        return None
    shape = tf.TensorShape(shape)
    if shape.rank == 0:
        return None
    if shape.rank is not None and shape[0] is not None:
        return int(shape[0])
    return tf.shape(value, out_type=tf.int64)[0]


def is_batch(value: Any) -> bool:
    """Whether this is a tensor, ragged or sparse tensor, with rows."""
    if isinstance(value, tf.Tensor):
        return value.shape.rank != 0
    return isinstance(value, (tf.RaggedTensor, tf.SparseTensor))


def is_batch_spec(spec: Any) -> bool:
    """`is_batch` of what has this specification."""
    if isinstance(spec, tf.TensorSpec):
        return spec.shape.rank != 0
    return isinstance(spec, (tf.RaggedTensorSpec, tf.SparseTensorSpec))


def no_rows(value: Any) -> Any:
    """`value` without its rows: the other dimensions stay."""
    if isinstance(value, tf.SparseTensor):
        shape = tf.concat([[0], value.dense_shape[1:]], axis=0)
        return tf.SparseTensor(value.indices[:0], value.values[:0], shape)
    return value[:0]


def row_of_zeros(value: Any) -> Any:
    """One row like those of `value`: zeros, or empty where it is ragged or sparse."""
    if isinstance(value, tf.RaggedTensor):
        return tf.RaggedTensor.from_row_splits(
            value.values[:0], tf.zeros([2], value.row_splits.dtype), validate=False
        )
    if isinstance(value, tf.SparseTensor):
        shape = tf.concat([[1], value.dense_shape[1:]], axis=0)
        return tf.SparseTensor(value.indices[:0], value.values[:0], shape)
    value = tf.convert_to_tensor(value)
    shape = tf.concat([[1], tf.shape(value)[1:]], axis=0)
    row = tf.fill(shape, tf.zeros([], value.dtype))
    row.set_shape([1, *value.shape[1:]] if value.shape.rank is not None else None)
    return row


# --- all-reduce -----------------------------------------------------------------------------------


def _to_reducible(tensor: tf.Tensor, reduce_op: str) -> tuple[tf.Tensor, Any]:
    """A tensor of a dtype that the core can add, and the function that leads back."""
    dtype = tensor.dtype
    if dtype in _ops.REDUCIBLE:
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
    engine: _core.Engine,
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
    values, rows = _ops.all_gather(engine, mine, name)
    if engine.check_reductions and must_be_finite:
        values = _reduction_check.checked_rows(engine, values, rows, name or "a sparse gradient")
    indices, _ = _ops.all_gather(
        engine, tf.convert_to_tensor(value.indices), f"{name} (indices)" if name else ""
    )
    if reduce_op == "mean":
        values = values / tf.cast(engine.size, values.dtype)
    return IndexedSlices(values, indices, dense_shape=value.dense_shape)


def all_reduce(
    engine: _core.Engine,
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
      contributes: see `_ops.all_reduce`.
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
    reduced = _ops.all_reduce(
        engine, tensors, reduce_op, names=dense_names, contributes=contributes
    )
    if engine.check_reductions and dense:
        reduced = _reduction_check.checked(
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


def _gather_strings(engine: _core.Engine, strings: tf.Tensor) -> tf.Tensor:
    """Strings travel as their bytes and their lengths."""
    flat = tf.reshape(strings, [-1])
    lengths, _ = _ops.all_gather(engine, tf.strings.length(flat))
    data, _ = _ops.all_gather(engine, tf.io.decode_raw(tf.strings.reduce_join(flat), tf.uint8))
    alphabet = tf.constant([bytes([i]) for i in range(256)])
    letters = tf.gather(alphabet, tf.cast(data, tf.int32))
    number = tf.size(lengths, out_type=tf.int64)
    owner = tf.repeat(tf.range(number), lengths)
    joined = tf.strings.unsorted_segment_join(letters, owner, number)
    return tf.reshape(joined, tf.concat([[-1], tf.shape(strings)[1:]], axis=0))


def _gather_ragged(engine: _core.Engine, value: tf.RaggedTensor) -> tf.RaggedTensor:
    flat = _gather_rows(engine, value.flat_values)
    lengths = [_ops.all_gather(engine, n)[0] for n in value.nested_row_lengths()]
    return tf.RaggedTensor.from_nested_row_lengths(flat, lengths, validate=False)


def _gather_sparse(engine: _core.Engine, value: tf.SparseTensor) -> tf.SparseTensor:
    shapes, _ = _ops.all_gather(engine, value.dense_shape[tf.newaxis])
    before = tf.reduce_sum(shapes[: engine.rank, 0])
    shift = tf.concat([[before], tf.zeros_like(value.dense_shape[1:])], axis=0)
    indices, _ = _ops.all_gather(engine, value.indices + shift)
    values = _gather_rows(engine, value.values)
    shape = tf.concat([[tf.reduce_sum(shapes[:, 0])], tf.reduce_max(shapes[:, 1:], axis=0)], axis=0)
    return tf.SparseTensor(indices, values, shape)


def _gather_rows(engine: _core.Engine, value: Any) -> Any:
    if isinstance(value, tf.RaggedTensor):
        return _gather_ragged(engine, value)
    if isinstance(value, tf.SparseTensor):
        return _gather_sparse(engine, value)
    if value.dtype == tf.string:
        return _gather_strings(engine, value)
    return _ops.all_gather(engine, value)[0]


def _gather_leaf(engine: _core.Engine, value: Any, axis: Any) -> Any:
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


def all_gather(engine: _core.Engine, value: Any, axis: Any = 0) -> Any:
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


def broadcast(engine: _core.Engine, tensor: tf.Tensor, root: int = 0, name: str = "") -> tf.Tensor:
    """The root's tensor on every rank; any dtype, the same shape on every rank."""
    if tensor.dtype == tf.string:
        everybodys = _gather_strings(engine, tf.reshape(tensor, [1, -1]))
        return tf.reshape(everybodys[root], tf.shape(tensor))
    return _ops.broadcast(engine, tensor, root=root, name=name)
