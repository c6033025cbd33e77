"""Cases of test_optimizers.py, in float64 so that nothing hides in rounding."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from alone_and_together import case

_STEPS, _BATCH = 6, 9  # 9 rows on 2 ranks: 5 and 4


def optimizers():
    """Every optimizer class that Keras exports, by name; those that wrap others are left out."""
    made = {}
    for name in sorted(dir(keras.optimizers)):
        kind = getattr(keras.optimizers, name)
        if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer):
            made[name] = kind
    for name in ("Optimizer", "LossScaleOptimizer", "MultiOptimizer"):
        made.pop(name, None)
    return made


def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def _dense_model():
    layers = [keras.layers.Dense(5, "tanh", name="first"), keras.layers.Dense(2, name="second")]
    return keras.Sequential([keras.layers.Input([6]), *layers])


def _dense_data(rows):
    x = np.random.default_rng(4).normal(size=[rows, 6])
    return x, np.stack([x.sum(axis=1), (x**2).sum(axis=1)], axis=1) * 3.0


def _sparse_model():
    embedding = keras.layers.Embedding(20, 4, name="words")
    return keras.Sequential(
        [
            keras.layers.Input([5], dtype="int32"),
            embedding,
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="last"),
        ]
    )


def _sparse_data(rows):
    rng = np.random.default_rng(4)
    return rng.integers(0, 20, [rows, 5]).astype(np.int32), rng.normal(size=[rows, 2]) * 3.0


def _train(
    place, make_optimizer, model=_dense_model, data=_dense_data, rows=_STEPS * _BATCH, **compiled
):
    _float64()
    with place.scope():
        model = model()
        model.compile(make_optimizer(), "mse", **compiled)
        # Not left to Keras: alone it builds ScheduleFreeAdamW within the step, which loses the
        # initial value of a slot.
        model.optimizer.build(model.trainable_variables)
    x, y = data(rows)
    sent = place.bytes_reduced()
    with place.gradient_calls() as calls:
        history = model.fit(x, y, batch_size=_BATCH, shuffle=False, verbose=0)
    return {
        "weights": model.get_weights(),
        "optimizer": [np.asarray(variable) for variable in model.optimizer.variables],
        "loss": history.history["loss"],
    }, {"calls": len(calls), "bytes": place.bytes_reduced() - sent}


# --- every optimizer, with everything that acts on gradients or weights ---------------------------


def _register(name, make, **kwargs):
    def run(place):
        return _train(place, make, **kwargs)[0]

    run.__name__ = name
    case(run)


#: Clipping clips in every step here.
SETTINGS = {
    "plain": {},
    "weight_decay": {"weight_decay": 0.05},
    "clipnorm": {"clipnorm": 0.5},
    "global_clipnorm": {"global_clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.05},
    "use_ema": {"use_ema": True, "ema_momentum": 0.7},
    "ema_overwrite_frequency": {"use_ema": True, "ema_overwrite_frequency": 2},
    "gradient_accumulation_steps": {"gradient_accumulation_steps": 3},
    "loss_scale_factor": {"loss_scale_factor": 64.0, "clipnorm": 0.5},
}
EVERYTHING = {
    "weight_decay": 0.05,
    "global_clipnorm": 0.5,
    "use_ema": True,
    "ema_overwrite_frequency": 4,
    "gradient_accumulation_steps": 2,
}

for _name, _kind in optimizers().items():
    _register(_name, lambda kind=_kind: kind(learning_rate=0.02, **EVERYTHING))
for _kind in (keras.optimizers.SGD, keras.optimizers.Adam):
    for _setting, _kwargs in SETTINGS.items():
        _register(
            f"{_kind.__name__} {_setting}",
            lambda kind=_kind, kwargs=_kwargs: kind(learning_rate=0.02, **kwargs),
        )

# --- gradients that are tf.IndexedSlices ----------------------------------------------------------

for _setting in ("plain", "clipnorm", "global_clipnorm", "gradient_accumulation_steps"):
    _register(
        f"sparse {_setting}",
        lambda kwargs=SETTINGS[_setting]: keras.optimizers.Adam(0.02, **kwargs),
        model=_sparse_model,
        data=_sparse_data,
        rows=5 * _BATCH + 1,  # in the last batch only rank 0 has a row
    )

# --- a rank without rows in the batch that ends an update -----------------------------------------

_register(
    "no rows at the update",
    lambda: keras.optimizers.SGD(0.02, gradient_accumulation_steps=3),
    rows=5 * _BATCH + 1,
)

# --- optimizers that wrap others, and schedules ---------------------------------------------------

_register(
    "LossScaleOptimizer",
    lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.02, clipnorm=0.5, weight_decay=0.05), dynamic_growth_steps=2
    ),
)
_register(
    "LossScaleOptimizer accumulating",
    lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.02, momentum=0.9, clipvalue=0.05, gradient_accumulation_steps=3)
    ),
)
_register(
    "MultiOptimizer",
    lambda: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            keras.optimizers.SGD(0.02, global_clipnorm=0.5),
            {".*second.*": keras.optimizers.Adam(0.02, weight_decay=0.05)},
        )
    ),
)
_register(
    "schedule",
    lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.0, 4, warmup_target=0.05, warmup_steps=3)
    ),
)
_register("eager", lambda: keras.optimizers.Adam(0.02, **EVERYTHING), run_eagerly=True)


class ClipsItself(keras.optimizers.SGD):
    def apply(self, grads, trainable_variables=None):
        return super().apply(self._clip_gradients(grads), trainable_variables)


class ClipsAndAppliesTwice(keras.optimizers.SGD):
    """What it applies first it has clipped; the second time the gradients are to be reduced."""

    def apply(self, grads, trainable_variables=None):
        super().apply(self._clip_gradients(grads), trainable_variables)
        return super().apply(grads, trainable_variables)


_register("clips itself", lambda: ClipsItself(0.02, clipnorm=0.5))
_register("clips itself and applies again", lambda: ClipsAndAppliesTwice(0.02, clipnorm=0.5))
_register(
    "clips itself and accumulates",
    lambda: ClipsItself(0.02, clipnorm=0.5, gradient_accumulation_steps=3),
)
_register("clipnorm eager", lambda: keras.optimizers.SGD(0.02, clipnorm=0.5), run_eagerly=True)

# --- how often gradients are reduced --------------------------------------------------------------


@case
def reductions_per_update(place):
    """Accumulation: one reduction per update, also with clipping, eager and in a loop of steps."""
    counts = {}
    ways = {
        "plain": ({}, {}),
        "accumulating": ({"gradient_accumulation_steps": 4}, {}),
        "accumulating and clipping": ({"gradient_accumulation_steps": 4, "clipnorm": 0.5}, {}),
        "accumulating in a loop": ({"gradient_accumulation_steps": 4}, {"steps_per_execution": 3}),
        "accumulating eagerly": ({"gradient_accumulation_steps": 4}, {"run_eagerly": True}),
        "clipping": ({"clipnorm": 0.5}, {}),
    }
    for way, (kwargs, compiled) in ways.items():
        made, reduced = _train(
            place, lambda kwargs=kwargs: keras.optimizers.SGD(0.02, **kwargs), **compiled, rows=72
        )
        counts[way] = made["weights"]
        counts[f"{way}: reductions"] = reduced["calls"]
    scaled, reduced = _train(
        place,
        lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.02, gradient_accumulation_steps=4)
        ),
        rows=72,
    )
    counts["scaled"], counts["scaled: reductions"] = scaled["weights"], reduced["calls"]
    return counts


@case
def bytes_per_update(place):
    """What crosses ranks: of 8 steps that accumulate 4, a quarter of the gradients."""
    return {
        name: _train(place, lambda kwargs=kwargs: keras.optimizers.SGD(0.02, **kwargs), rows=72)[1][
            "bytes"
        ]
        for name, kwargs in (("plain", {}), ("accumulating", {"gradient_accumulation_steps": 4}))
    }


@case
def clipping_differs_from_none(place):
    """For the tests' own sake: in these cases clipping does something."""
    weights = [
        _train(place, lambda kwargs=kwargs: keras.optimizers.SGD(0.02, **kwargs))[0]["weights"]
        for kwargs in ({}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.05})
    ]
    return {"first": np.stack([one[0] for one in weights])}


# --- apply_gradients called otherwise than by fit -------------------------------------------------


@case
def apply_in_parts(place):
    """A loop of one's own: `apply` with some of the variables, a gradient missing, twice a step."""
    _float64()
    with place.scope():
        model = _dense_model()
        optimizer = keras.optimizers.Adam(0.02, global_clipnorm=0.5)
        optimizer.build(model.trainable_variables)
    x, y = _dense_data(3 * _BATCH)

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(x) - y)) / _BATCH
        gradients = tape.gradient(loss, model.trainable_variables)
        first = list(zip(gradients, model.trainable_variables, strict=True))[:2]
        optimizer.apply_gradients(first)
        optimizer.apply_gradients([(gradients[2], model.trainable_variables[2])])
        return loss

    run = tf.function(lambda x, y: place.reduce(place.run(step, x, y)))
    losses = [
        run(tf.constant(place.mine(x[i : i + _BATCH])), tf.constant(place.mine(y[i : i + _BATCH])))
        for i in range(0, len(x), _BATCH)
    ]
    return {"losses": losses, "weights": model.get_weights()}
