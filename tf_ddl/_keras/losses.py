"""The gradient of a training step is that of the global batch, whoever wrote the step.

Keras scales the losses that it computes itself by one over the number of replicas, and has
gradients summed. With 32 rows on 3 ranks (11, 11 and 10) that is not the mean over the batch; and a
`train_step` or `compute_loss` of the user's own knows nothing of it. So within a step of a Keras
model losses stay as they are in a single process, and the tape that computes the gradient of one
counts it by this rank's share of the rows:

* a scalar is taken for a mean over the batch (or for something that does not depend on the rows,
  such as a regularisation loss): this rank's gradient counts by its share of the rows;
* of anything else, such as one loss per row, a tape computes the gradient of the sum, and sums add
  up as they are;
* a scalar that Keras or TensorFlow has made as a sum, by `reduction="sum"` or by
  `tf.nn.compute_average_loss`, is divided by the share first;
* a mean over entries that are not masked, or by weights (`reduction="mean_with_sample_weight"`), is
  one over those of all ranks, which tell each other how many they have.

A rank without rows, whose loss may be NaN, counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ddl._base.adapter import Adapter
from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._tf.private_api import tf
from tf_ddl.replica import collectives
from tf_ddl.replica.step import current_step, in_replica_context

__all__ = ["ADAPTERS"]

_in_compile_loss = ScopedValue(False)


def _share(dtype: Any) -> tf.Tensor | None:
    """This rank's share of the rows, in a train or test step of a Keras model on several ranks."""
    step = current_step()
    if step is None or step.keras_step not in ("train", "test"):
        return None
    if not in_replica_context():
        return None
    size = tf.distribute.get_strategy().num_replicas_in_sync
    if size == 1:
        return None
    share = step.weight()
    return tf.constant(1.0 / size, dtype) if share is None else tf.cast(share, dtype)


def _as_it_is(original: Callable[..., Any], value: Any) -> Any:
    """Within a Keras step, instead of scaling by the number of replicas and back."""
    return original(value) if _share(value.dtype) is None else value


def _as_a_sum(value: Any) -> Any:
    """A sum over rows, which is not to count by the share that the tape multiplies with."""
    share = _share(value.dtype)
    return value if share is None else tf.math.divide_no_nan(value, share)


def _reduce_values(
    original: Callable[..., Any],
    values: Any,
    sample_weight: Any = None,
    reduction: Any = "sum_over_batch_size",
) -> Any:
    result = original(values, sample_weight, reduction)
    if result is values:  # nothing was reduced
        return result
    if reduction == "sum":
        return _as_a_sum(result)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return _as_a_mean_over(sample_weight, result)
    return result


def _apply_mask(
    original: Callable[..., Any], sample_weight: Any, mask: Any, dtype: Any, reduction: Any
) -> Any:
    """Keras divides by the number of entries that are not masked, here by that of all ranks."""
    result = original(sample_weight, mask, dtype, reduction)
    if mask is None or reduction not in ("mean", "sum_over_batch_size"):
        return result
    return _as_a_mean_over(mask, result)


def _as_a_mean_over(weights: Any, value: Any) -> Any:
    """What was divided by the sum of this rank's weights, as if by that of all ranks' weights.

    The share of the rows, which the gradient is to count by, is divided out.
    """
    value = tf.convert_to_tensor(value)
    share = _share(tf.float64)
    if share is None:
        return value
    step = current_step()
    mine = tf.reduce_sum(tf.cast(weights, tf.float64))
    (total,) = collectives.all_reduce(
        tf.distribute.get_strategy().extended.engine,
        [mine],
        "sum",
        names=["sum of the weights of a loss"],
        contributes=True if step is None else step.has_rows(),
    )
    factor = tf.math.divide_no_nan(mine, total * share)
    return value * tf.cast(factor, value.dtype)


def _scaled_by_tensorflow(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return _as_a_sum(original(*args, **kwargs))


def _gradient(
    original: Callable[..., Any],
    tape: Any,
    target: Any,
    sources: Any,
    output_gradients: Any = None,
    unconnected_gradients: Any = tf.UnconnectedGradients.NONE,
) -> Any:
    if output_gradients is None and any(
        getattr(source, "trainable", False) for source in tf.nest.flatten(sources)
    ):
        factors = [_factor(one) for one in tf.nest.flatten(target)]
        if any(factor is not None for factor in factors):
            output_gradients = tf.nest.pack_sequence_as(target, factors)
    return original(tape, target, sources, output_gradients, unconnected_gradients)


def _factor(target: Any) -> tf.Tensor | None:
    """What the gradient of `target` counts by; None: one."""
    if not isinstance(target, tf.Tensor) or target.shape.rank != 0:
        return None
    return _share(target.dtype)


def _compile_loss(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with _in_compile_loss.set(True):
        return original(*args, **kwargs)


def _update_mean(
    original: Callable[..., Any], metric: Any, values: Any, sample_weight: Any = None
) -> Any:
    """Scalars, such as a loss of the batch: each batch counts one, on all ranks together."""
    if sample_weight is None:
        is_scalar = tf.TensorShape(getattr(values, "shape", ())).rank == 0
        if is_scalar or _in_compile_loss.get():
            sample_weight = _share(metric.dtype)
    return original(metric, values, sample_weight=sample_weight)


_MODULE = "keras.src.losses.loss"
ADAPTERS = (
    Adapter("keras.src.trainers.compile_utils", "CompileLoss.call", _compile_loss),
    Adapter("keras.src.metrics.reduction_metrics", "Mean.update_state", _update_mean),
    Adapter(_MODULE, "scale_loss_for_distribution", _as_it_is),
    Adapter(_MODULE, "unscale_loss_for_distribution", _as_it_is),
    Adapter(_MODULE, "reduce_values", _reduce_values),
    Adapter(_MODULE, "apply_mask", _apply_mask),
    Adapter("tensorflow", "GradientTape.gradient", _gradient),
    Adapter("tensorflow", "nn.compute_average_loss", _scaled_by_tensorflow),
    Adapter("tensorflow", "nn.scale_regularization_loss", _scaled_by_tensorflow),
)
