"""BatchNormalization with `synchronized=True`: statistics of the global batch.

Keras sums squares, in float32, in three separate reductions, counts the row that a rank without
rows computes with, and ignores `synchronized` where there is a mask. Here the ranks' means and
variances, which each computes in two passes, are combined in float64 by one group of reductions, so
that the result is that of one process also where means are large; ranks without rows do not
count, and masks are heeded. Gradients go through the reductions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tf_ddl._base.adapter import Adapter
from tf_ddl._tf.private_api import tf
from tf_ddl.replica import collectives
from tf_ddl.replica.extended import DDLExtended
from tf_ddl.replica.step import current_step, in_replica_context

__all__ = ["ADAPTERS"]


def _several_ranks() -> DDLExtended | None:
    """The strategy's implementation within `strategy.run` on several ranks."""
    if not in_replica_context():
        return None
    extended = tf.distribute.get_strategy().extended
    return extended if extended.engine.size > 1 else None


def _sums(extended: DDLExtended, names: Sequence[str], values: Sequence[tf.Tensor]) -> Any:
    """Sums over the ranks that have rows."""
    step = current_step()
    contributes = step.has_rows() if step is not None and step.keras_step else True
    return collectives.all_reduce(
        extended.engine, list(values), "sum", names=list(names), contributes=contributes
    )


def _moments(original: Callable[..., Any], x: Any, axes: Any, keepdims: bool) -> Any:
    """Mean and variance over `axes` and all ranks; dtype of `x`, float32 or float64."""
    extended = _several_ranks()
    if extended is None:
        if in_replica_context():  # a world of one: as without a strategy
            return tf.nn.moments(x, axes, keepdims=keepdims)
        return original(x, axes, keepdims)
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    mean, variance = tf.cast(mean, tf.float64), tf.cast(variance, tf.float64)
    shape = tf.shape(x)
    along = [axes] if isinstance(axes, int) else axes
    count = tf.cast(tf.reduce_prod([shape[axis] for axis in along]), tf.float64)
    total, squares, count = _sums(
        extended,
        ("sum for BatchNormalization", "squares for BatchNormalization", "rows"),
        (
            tf.math.multiply_no_nan(mean, count),  # the mean of no rows is NaN
            tf.math.multiply_no_nan(variance + tf.square(mean), count),
            count,
        ),
    )
    mean = tf.math.divide_no_nan(total, count)
    variance = tf.maximum(tf.math.divide_no_nan(squares, count) - tf.square(mean), 0.0)
    if not keepdims:
        mean, variance = tf.squeeze(mean, axes), tf.squeeze(variance, axes)
    return tf.cast(mean, x.dtype), tf.cast(variance, x.dtype)


def _masked_moments(original: Callable[..., Any], layer: Any, inputs: Any, mask: Any) -> Any:
    """As Keras computes them, with sums over all ranks."""
    extended = _several_ranks()
    if mask is None or not layer.synchronized or extended is None:
        return original(layer, inputs, mask)
    axes = layer._reduction_axes
    epsilon = keras.backend.epsilon()
    counts = tf.cast(tf.broadcast_to(mask[..., tf.newaxis], tf.shape(inputs)), inputs.dtype)
    zeros = tf.zeros_like(inputs)
    total, weights = _sums(
        extended,
        ("masked sum for BatchNormalization", "weights"),
        (
            tf.reduce_sum(tf.where(counts > 0, inputs, zeros), axes, keepdims=True),
            tf.reduce_sum(counts, axes, keepdims=True),
        ),
    )
    mean = total / (weights + epsilon)
    squares = tf.where(counts > 0, tf.square(inputs - mean), zeros)
    (squares,) = _sums(
        extended,
        ("masked squares for BatchNormalization",),
        (tf.reduce_sum(squares, axes, keepdims=True),),
    )
    return tf.squeeze(mean, axes), tf.squeeze(squares / (weights + epsilon), axes)


_NN = "keras.src.backend.tensorflow.nn"
_NN_IN_OPS = "keras.src.backend.tensorflow.ops.nn"
ADAPTERS = (
    Adapter(_NN, "_compute_moments_sync", _moments, before=(3, 16)),
    Adapter(_NN_IN_OPS, "_compute_moments_sync", _moments, since=(3, 16)),
    Adapter(
        "keras.src.layers.normalization.batch_normalization",
        "BatchNormalization._moments",
        _masked_moments,
    ),
)
