"""Learning rates for large batches: the linear scaling rule with gradual warmup.

    schedule = tf_ddl.keras.scaled_learning_rate(
        0.1, batch_size=8192, base_batch_size=256, warmup_steps=5 * steps_per_epoch
    )
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True), ...)

docs/large_batch.md has the whole recipe, and says when not to use it.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from tf_ddl import errors

__all__ = ["LinearScaling", "scaled_learning_rate"]

_Schedule: Any = keras.optimizers.schedules.LearningRateSchedule


def scaled_learning_rate(
    base_learning_rate: Any,
    batch_size: int,
    base_batch_size: int = 256,
    warmup_steps: int = 0,
) -> Any:
    """A learning rate that was found for one batch size, for another one.

    With k = `batch_size` / `base_batch_size`, the rate is multiplied by k; during the first
    `warmup_steps` steps it grows by the same amount in each step from the base rate to k times that
    (Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, arXiv 1706.02677,
    sections 2.1 and 2.2).

    Args:
      base_learning_rate: the rate for `base_batch_size`; a number, or a
        `keras.optimizers.schedules.LearningRateSchedule` over the steps of the new run, all of
        which is scaled. Of a schedule for the base batch, divide steps by k: as many rows later is
        k times fewer steps.
      batch_size: rows of the global batch, of all workers together: what `fit` is given, times
        `gradient_accumulation_steps` of the optimizer.
      base_batch_size: rows of the batch for which the base rate was found.
      warmup_steps: steps of the warmup; the paper's is 5 epochs. 0: none.

    Returns:
      What Keras takes as a `learning_rate`. For a number that is a number or a schedule of Keras'
      own, so that a model saved with it loads where there is no tf_ddl; else a `LinearScaling`.

    Raises:
      InvalidArgumentError: an argument makes no sense.
    """
    for name, value in (("batch_size", batch_size), ("base_batch_size", base_batch_size)):
        if not _is_whole(value) or value < 1:
            raise errors.InvalidArgumentError(
                f"{name}={value!r} must be a whole number of rows, at least 1"
            )
    scale = batch_size / base_batch_size
    if isinstance(base_learning_rate, _Schedule):
        return LinearScaling(base_learning_rate, scale, warmup_steps)
    _check(base_learning_rate, scale, warmup_steps)
    if warmup_steps == 0:
        return float(base_learning_rate) * scale
    return keras.optimizers.schedules.PolynomialDecay(
        float(base_learning_rate),
        decay_steps=int(warmup_steps),
        end_learning_rate=float(base_learning_rate) * scale,
        power=1.0,
        name="gradual_warmup",
    )


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__")


def _check(base_learning_rate: Any, scale: Any, warmup_steps: Any) -> None:
    if not _is_whole(warmup_steps) or warmup_steps < 0:
        raise errors.InvalidArgumentError(
            f"warmup_steps={warmup_steps!r} must be a whole number of steps, at least 0"
        )
    numbers = [("scale", scale)]
    if not isinstance(base_learning_rate, _Schedule):
        numbers.append(("base_learning_rate", base_learning_rate))
    for name, value in numbers:
        try:
            good = not isinstance(value, bool) and math.isfinite(value) and value > 0
        except TypeError:
            good = False
        if not good:
            schedule = " or a LearningRateSchedule" if name == "base_learning_rate" else ""
            raise errors.InvalidArgumentError(
                f"{name}={value!r} must be a number greater than 0{schedule}"
            )


@keras.saving.register_keras_serializable(package="tf_ddl")
class LinearScaling(_Schedule):
    """A schedule, times a factor that grows from 1 to `scale` in the first steps.

    To load a model that was compiled with it, `import tf_ddl.keras` first, or load it with
    `compile=False`.

    Args:
      base_learning_rate: a `LearningRateSchedule`, or a number.
      scale: k, the new batch size divided by that of the base rate.
      warmup_steps: steps until the factor is `scale`; 0: it is from the first step on.

    Raises:
      InvalidArgumentError: an argument makes no sense.
    """

    def __init__(self, base_learning_rate: Any, scale: float, warmup_steps: int = 0) -> None:
        super().__init__()
        if isinstance(base_learning_rate, dict):
            base_learning_rate = keras.saving.deserialize_keras_object(base_learning_rate)
        _check(base_learning_rate, scale, warmup_steps)
        self.base_learning_rate = base_learning_rate
        self.scale = float(scale)
        self.warmup_steps = int(warmup_steps)

    def __call__(self, step: Any) -> Any:
        base = self.base_learning_rate
        rate = base(step) if isinstance(base, _Schedule) else base
        if self.warmup_steps == 0:
            return rate * self.scale
        done = keras.ops.minimum(keras.ops.cast(step, "float32") / self.warmup_steps, 1.0)
        return rate * (1.0 + (self.scale - 1.0) * done)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` makes an equal one of."""
        base = self.base_learning_rate
        if isinstance(base, _Schedule):
            base = keras.saving.serialize_keras_object(base)
        return {
            "base_learning_rate": base,
            "scale": self.scale,
            "warmup_steps": self.warmup_steps,
        }
