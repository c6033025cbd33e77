"""Cases of test_running.py: the ways in which a model is run."""

from __future__ import annotations

import os

import keras
import numpy as np
import tensorflow as tf
from alone_and_together import case

BATCH = 9  # 5 and 4 rows on two ranks


def data(rows):
    x = np.random.default_rng(3).normal(size=[rows, 6]).astype(np.float32)
    return x, np.stack([x.sum(axis=1), (x**2).sum(axis=1)], axis=1)


def layers():
    return [
        keras.layers.Input([6]),
        keras.layers.Dense(8, "tanh", name="first"),
        keras.layers.Dense(2, name="second"),
    ]


def build(place, kind=keras.Sequential, **compiled):
    with place.scope():
        model = kind(layers())
        compiled.setdefault("optimizer", keras.optimizers.SGD(0.05, momentum=0.9))
        model.compile(loss="mse", metrics=["mae"], **compiled)
    return model


def _fit(place, rows=61, epochs=2, kind=keras.Sequential, **compiled):
    """7 steps per epoch; in the last one only rank 0 has rows."""
    model = build(place, kind, **compiled)
    x, y = data(rows)
    history = model.fit(
        x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, validation_data=(x, y)
    )
    return {
        "weights": model.get_weights(),
        "history": history.history,
        "evaluate": model.evaluate(x, y, batch_size=BATCH, verbose=0),
        "predict": model.predict(x, batch_size=BATCH, verbose=0),
    }


def _register(name, **kwargs):
    def run(place):
        return _fit(place, **kwargs)

    run.__name__ = name
    case(run)


_register("one step per execution")
_register("steps_per_execution", steps_per_execution=3)
_register("steps_per_execution of all", steps_per_execution=7)
_register("run_eagerly", run_eagerly=True)
_register("run_eagerly and steps_per_execution", run_eagerly=True, steps_per_execution=3)


@case
def unrolled_steps(place):
    model = build(place, steps_per_execution=4)
    model.unrolled_steps_per_execution = 2
    x, y = data(72)
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    return {"weights": model.get_weights()}


# --- one batch at a time --------------------------------------------------------------------------


def _on_batches(place, part, **compiled):
    model = build(place, **compiled)
    x, y = data(3 * BATCH)
    weight = np.linspace(0.5, 1.5, 3 * BATCH)
    logs = []
    for i in range(0, 3 * BATCH, BATCH):
        rows = slice(i, i + BATCH)
        mine = [part(value[rows]) for value in (x, y, weight)]
        logs.append(model.train_on_batch(*mine, return_dict=True))
        logs.append(model.test_on_batch(*mine[:2], return_dict=True))
    model.reset_metrics()
    # What predict_on_batch returns are the rows that it is given.
    outputs = model.predict_on_batch(x)
    return {"weights": model.get_weights(), "logs": logs, "outputs": outputs}


@case
def train_on_batch(place):
    """Each rank gives its rows of the batch."""
    return _on_batches(place, place.mine)


@case
def train_on_batch_of_all(place):
    """An unchanged script: each rank gives all rows, so each computes the same."""
    return _on_batches(place, lambda rows: rows)


@case
def train_on_batch_eager(place):
    return _on_batches(place, place.mine, run_eagerly=True)


# --- a step of one's own --------------------------------------------------------------------------


class Overridden(keras.Sequential):
    """As in the guide 'Customizing what happens in fit()'."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


class WithOwnLoss(keras.Sequential):
    """A loss by hand, a mean over the batch, and metrics of its own."""

    def __init__(self, layers):
        super().__init__(layers)
        self.seen = keras.metrics.Mean("seen")

    @property
    def metrics(self):
        return [self.seen]

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.seen.update_state(loss)
        return {"seen": self.seen.result()}

    def test_step(self, data):
        x, y = data
        self.seen.update_state(tf.reduce_mean(tf.square(self(x, training=False) - y)))
        return {"seen": self.seen.result()}


def _fit_overridden(place, kind, **compiled):
    model = build(place, kind, **compiled)
    x, y = data(54)
    history = model.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    return {"weights": model.get_weights(), "history": history.history}


@case
def overridden_train_step(place):
    return _fit_overridden(place, Overridden)


@case
def overridden_train_step_with_own_loss(place):
    return _fit_overridden(place, WithOwnLoss)


@case
def overridden_train_step_eager(place):
    return _fit_overridden(place, WithOwnLoss, run_eagerly=True)


@case
def overridden_train_step_in_a_loop(place):
    return _fit_overridden(place, Overridden, steps_per_execution=2)


class SumAndMean(keras.metrics.Metric):
    """Two results by name, one of which is a quotient that a graph may round otherwise."""

    def __init__(self):
        super().__init__(name="errors")
        self.total = self.add_variable([], "zeros", name="total")
        self.rows = self.add_variable([], "zeros", name="rows")

    def update_state(self, y, y_pred, sample_weight=None):
        self.total.assign(self.total + tf.reduce_sum(tf.abs(y - y_pred)))
        self.rows.assign_add(tf.cast(tf.shape(y)[0], tf.float32))

    def result(self):
        return {"sum": self.total, "mean": self.total / self.rows}


class Adversarial(keras.Sequential):
    """Trains on rows that were moved along the gradient, and logs one number more."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = self.compute_loss(x, y, self(x, training=True))
        logs = super().train_step((x + 0.01 * tf.sign(tape.gradient(loss, x)), y))
        return {**logs, "before": loss}


@case
def overridden_train_step_with_more_logs(place):
    model = build(place, Adversarial)
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=[SumAndMean()])
    x, y = data(54)
    fitted = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, validation_data=(x, y), **fitted)
    return {"weights": model.get_weights(), "history": history.history}


class Contrastive(keras.Sequential):
    """Each row beside all others of the global batch, as docs/keras.md says."""

    def train_step(self, data):
        x, _ = data
        with tf.GradientTape() as tape:
            mine = self(x, training=True)
            replica = tf.distribute.get_replica_context()
            everybodys = replica.all_gather(mine, 0) if replica.num_replicas_in_sync > 1 else mine
            alike = tf.matmul(mine, everybodys, transpose_b=True)
            loss = tf.reduce_mean(tf.reduce_logsumexp(alike, axis=1) - 0.5 * tf.norm(mine, axis=1))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"contrast": loss}


@case
def overridden_train_step_with_rows_of_all_ranks(place):
    with place.scope():
        model = Contrastive(layers())
        model.compile(keras.optimizers.SGD(0.05))
    history = model.fit(*data(54), batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    return {"weights": model.get_weights(), "history": history.history}


# --- jit_compile, first ---


@case
def compiled_by_xla(place):
    """What XLA writes down of the programs that it compiles, for the first case that uses it."""
    folder = os.path.join(place.folder, f"xla{place.rank if place.strategy else 'alone'}")
    os.environ["XLA_FLAGS"] = f"--xla_dump_to={folder} --xla_dump_hlo_as_text"
    model = build(place, jit_compile=True)
    x, y = data(18)
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    programs = []
    for name in os.listdir(folder):
        if name.endswith("before_optimizations.txt"):
            with open(os.path.join(folder, name)) as file:
                programs.append(file.read())
    products = max(text.count(" dot(") for text in programs)
    return {"jit_compile": bool(model.jit_compile), "most products": products}


# --- jit_compile ----------------------------------------------------------------------------------

_register("jit_compile", jit_compile=True)


@case
def jit_compile_of_own_step(place):
    return _fit_overridden(place, Overridden, jit_compile=True)


_register(
    "jit_compile and more",
    jit_compile=True,
    steps_per_execution=3,
    optimizer=keras.optimizers.SGD(0.05, global_clipnorm=0.5, gradient_accumulation_steps=2),
)


@case
def refused_by_xla(place):
    """A tf.function(jit_compile=True) around what communicates is an error naming the option."""
    if place.strategy is None:
        return {"named": True}
    with place.scope():
        variable = tf.Variable(1.0)
        total = keras.metrics.Sum()
    total.update_state(1.0)

    def step():
        return tf.distribute.get_replica_context().all_reduce("SUM", variable * 2.0)

    named = []
    for fn in (
        lambda: place.strategy.run(step),
        lambda: place.strategy.run(tf.function(step)),
        lambda: place.strategy.reduce("SUM", variable * 2.0, axis=None),
        lambda: place.strategy.gather(variable[tf.newaxis], axis=0),
        total.result,
    ):
        try:
            tf.function(fn, jit_compile=True)()
            named.append("no error")
        except ValueError as error:
            named.append("jit_compile" in str(error) and "over the ranks" in str(error))
    # The job goes on.
    assert float(place.reduce(tf.constant(1.0))) == place.size
    assert named == [True] * 5, named
    return {"named": True}


# --- again and again ------------------------------------------------------------------------------


@case
def new_shapes(place):
    """Sequences of other lengths: traced again, on the rank that sees them first and on others."""
    with place.scope():
        model = keras.Sequential(
            [
                keras.layers.Input([None, 3]),
                keras.layers.Dense(4, "tanh"),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(1),
            ]
        )
        model.compile(keras.optimizers.SGD(0.05), "mse")
    rng = np.random.default_rng(0)
    losses = []
    for length in (5, 7, 5, 3):
        x = rng.normal(size=[13, length, 3]).astype(np.float32)
        y = x.sum(axis=(1, 2), keepdims=True)[:, 0]
        history = model.fit(x, y, batch_size=5, shuffle=False, verbose=0)
        losses += history.history["loss"]
    values = [rng.normal(size=[4, length, 3]).astype(np.float32) for length in (2, 6, 4)]
    batches = tf.data.Dataset.from_generator(
        lambda: ((value, value.sum(axis=(1, 2))[:, None]) for value in values),
        output_signature=(
            tf.TensorSpec([None, None, 3], tf.float32),
            tf.TensorSpec([None, 1], tf.float32),
        ),
    )
    losses += model.fit(batches, epochs=2, verbose=0).history["loss"]
    return {"weights": model.get_weights(), "losses": losses}


@case
def fit_twice(place):
    model = build(place)
    x, y = data(40)
    first = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    second = model.fit(x, y, batch_size=20, epochs=3, initial_epoch=1, shuffle=False, verbose=0)
    model.compile("adam", "mae")
    third = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    losses = [one.history["loss"] for one in (first, second, third)]
    return {"weights": model.get_weights(), "losses": losses}


@case
def fit_after_load_model(place):
    model = build(place, optimizer=keras.optimizers.Adam(0.02, epsilon=1e-4))
    x, y = data(40)
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    path = os.path.join(place.folder, f"{'alone' if place.strategy is None else 'ddl'}.keras")
    model.save(path)
    with place.scope():
        loaded = keras.models.load_model(path)
    steps = int(loaded.optimizer.iterations.numpy())
    history = loaded.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    return {"weights": loaded.get_weights(), "losses": history.history["loss"], "steps": steps}


@case
def steps_per_epoch_of_an_endless_dataset(place):
    model = build(place, steps_per_execution=2)
    endless = tf.data.Dataset.from_tensor_slices(data(40)).batch(BATCH).repeat()
    history = model.fit(endless, steps_per_epoch=4, epochs=3, verbose=0)
    return {"weights": model.get_weights(), "history": history.history}
