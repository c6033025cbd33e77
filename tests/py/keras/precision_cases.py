"""Cases of test_precision.py: float16 and bfloat16, and steps that are skipped."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from alone_and_together import case

_BATCH = 8


def _data(rows):
    x = np.random.default_rng(3).normal(size=[rows, 6]).astype(np.float32)
    return x, np.stack([x.sum(axis=1), (x**2).sum(axis=1)], axis=1)


def _build(place, policy, optimizer=None, kind=keras.Sequential, **compiled):
    keras.config.set_dtype_policy(policy)
    with place.scope():
        model = kind(
            [
                keras.layers.Input([6]),
                keras.layers.Dense(16, "tanh", name="first"),
                keras.layers.Dense(2, dtype="float32", name="second"),
            ]
        )
        model.compile(optimizer or keras.optimizers.SGD(0.05), "mse", **compiled)
    return model


def _outcome(model, before):
    after = model.get_weights()
    moved = [new - old for new, old in zip(after, before, strict=True)]
    outcome = {"moved": moved, "finite": all(np.isfinite(one).all() for one in moved)}
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        outcome["scale"] = float(optimizer.dynamic_scale.numpy())
        outcome["good steps"] = int(optimizer.step_counter.numpy())
        outcome["updates"] = int(optimizer.inner_optimizer.iterations.numpy())
    return outcome


def _fit(place, policy, rows=5 * _BATCH + 1, **kwargs):
    model = _build(place, policy, **kwargs)
    before = model.get_weights()
    x, y = _data(rows)
    model.fit(x, y, batch_size=_BATCH, shuffle=False, verbose=0)
    dtypes = {variable.dtype for variable in model.trainable_variables}
    return {
        **_outcome(model, before),
        "variables": sorted(dtypes),
        "optimizer": type(model.optimizer).__name__,
    }


@case
def mixed_float16(place):
    return _fit(place, "mixed_float16")


@case
def mixed_bfloat16(place):
    return _fit(place, "mixed_bfloat16")


@case
def bfloat16(place):
    """Variables, and so what travels, are bfloat16 too."""
    return _fit(place, "bfloat16")


@case
def mixed_float16_clipped_and_averaged(place):
    return _fit(
        place,
        "mixed_float16",
        optimizer=keras.optimizers.Adam(0.02, epsilon=1e-3, global_clipnorm=0.5, use_ema=True),
    )


@case
def mixed_float16_in_a_loop(place):
    return _fit(place, "mixed_float16", steps_per_execution=4)


# --- overflow -------------------------------------------------------------------------------------


class Overridden(keras.Sequential):
    """Scales and applies by hand, as the guide to mixed precision tells."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def _scaling(optimizer=None, growth=3):
    inner = optimizer or keras.optimizers.SGD(0.05, momentum=0.9)
    return keras.optimizers.LossScaleOptimizer(
        inner, initial_scale=256.0, dynamic_growth_steps=growth
    )


def _overflow(place, rows, **kwargs):
    """Six steps; in the third, one of the global batch's rows is too large for float16.

    Of 8 rows, rank 0 of two has the first four. After each step, what all have come to.
    """
    kwargs.setdefault("optimizer", _scaling())
    model = _build(place, "mixed_float16", **kwargs)
    with place.scope():
        model.optimizer.build(model.trainable_variables)
    before = model.get_weights()
    x, y = _data(6 * _BATCH)
    for row in rows:
        x[2 * _BATCH + row] = 1e30
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(_outcome(self.model, before))

    model.fit(x, y, batch_size=_BATCH, shuffle=False, verbose=0, callbacks=[Watch()])
    return {"steps": seen}


@case
def overflow_on_rank_0(place):
    return _overflow(place, [0])


@case
def overflow_on_rank_1(place):
    return _overflow(place, [7])


@case
def overflow_on_both(place):
    return _overflow(place, [1, 6])


@case
def overflow_eagerly(place):
    return _overflow(place, [7], run_eagerly=True)


@case
def overflow_in_a_loop(place):
    return _overflow(place, [7], steps_per_execution=2)


@case
def overflow_while_clipping(place):
    inner = keras.optimizers.Adam(0.02, epsilon=1e-3, clipnorm=0.3, weight_decay=0.01)
    return _overflow(place, [7], optimizer=_scaling(inner))


@case
def overflow_while_accumulating(place):
    """The step is left out of what is accumulated, on both."""
    inner = keras.optimizers.SGD(0.05, gradient_accumulation_steps=2)
    return _overflow(place, [0], optimizer=_scaling(inner))


@case
def overflow_in_own_step(place):
    return _overflow(place, [7], kind=Overridden)


@case
def overflow_of_the_sum(place):
    """Gradients that each rank can hold in float16, while their sum is too large for it."""
    with place.scope():
        variable = keras.Variable([1.0, 2.0], dtype="float16")
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3))
        optimizer.build([variable])
    outcomes = []
    for each in (40000.0, 20000.0):

        def step(each=each):
            gradient = tf.fill([2], tf.cast(each, tf.float16))
            if place.strategy is None:  # the single process has the whole batch
                gradient = gradient * 2
            optimizer.apply([gradient], [variable])

        for run in (tf.function(place.run), place.run):
            run(step)
            outcomes += [variable.numpy(), float(optimizer.dynamic_scale.numpy())]
    return {"outcomes": outcomes}


@case
def overlap_of_scaled_gradients(place):
    """Reductions of a LossScaleOptimizer do not wait for each other, nor for "finite?"."""
    model = _build(place, "mixed_float16")
    x, y = _data(_BATCH)
    model.train_on_batch(x, y)
    if place.strategy is None:
        return {"reduced before": 4}

    @tf.function
    def step(data):
        return place.strategy.run(model.train_step, args=(data,))

    graph = step.get_concrete_function((tf.constant(x), tf.constant(y))).graph
    # In the step itself, not in a branch of what follows when all is finite.
    paths = {variable.path for variable in model.trainable_variables}
    reduced = {
        op.get_attr("tensor_name").decode()
        for op in graph.get_operations()
        if op.type == "DdlAllReduce"
    }
    return {"reduced before": len(paths & reduced)}
