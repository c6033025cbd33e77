"""Cases of test_running.py: loops of one's own, and how models are built for them."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf
from alone_and_together import case
from running_cases import BATCH, data, layers


def _own_loop(place, loop):
    with place.scope():
        model = keras.Sequential(layers())
        optimizer = keras.optimizers.Adam(0.02, epsilon=1e-4)
        optimizer.build(model.trainable_variables)
    x, y = data(6 * BATCH)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH, drop_remainder=True)
    if place.strategy is not None:
        batches = place.strategy.experimental_distribute_dataset(batches)

    def step(features, labels):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(features) - labels)) / BATCH
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    losses = loop(place, step, batches)
    return {"weights": model.get_weights(), "losses": losses}


@case
def while_loop_around_run(place):
    def loop(place, step, batches):
        @tf.function
        def six_steps(iterator):
            def body(i, losses):
                loss = place.reduce(place.run(step, *next(iterator)))
                return i + 1, losses.write(i, loss)

            losses = tf.TensorArray(tf.float32, 6)
            _, losses = tf.while_loop(lambda i, _: i < 6, body, (0, losses))
            return losses.stack()

        return six_steps(iter(batches))

    return _own_loop(place, loop)


@case
def for_loop_over_a_dataset(place):
    """AutoGraph makes a loop of `for`, the collectives are in its body."""

    def loop(place, step, batches):
        @tf.function
        def epoch(data):
            total = 0.0
            for features, labels in data:
                total += place.reduce(place.run(step, features, labels))
            return total

        return epoch(batches)

    return _own_loop(place, loop)


@case
def loop_within_run(place):
    """The loop is inside the function that `run` is given."""

    def loop(place, step, batches):
        def steps(iterator):
            total = tf.constant(0.0)
            for _ in tf.range(6):
                features, labels = next(iterator)
                total += step(features, labels)
            return total

        run = tf.function(lambda iterator: place.run(tf.function(steps), iterator))
        return place.reduce(run(iter(batches)))

    return _own_loop(place, loop)


@case
def compiled_gradients_in_a_loop(place):
    """XLA compiles loss and gradients; the collectives are outside of what it compiles."""
    with place.scope():
        model = keras.Sequential(layers())
        optimizer = keras.optimizers.SGD(0.05)
        optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True)
    def gradients(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(x) - y)) / BATCH
        return tape.gradient(loss, model.trainable_variables)

    def step(x, y):
        optimizer.apply(gradients(x, y), model.trainable_variables)

    run = tf.function(lambda x, y: place.run(step, x, y))
    x, y = data(3 * BATCH)
    for i in range(0, len(x), BATCH):
        rows = slice(i, i + BATCH)
        run(tf.constant(place.mine(x[rows])), tf.constant(place.mine(y[rows])))
    return {"weights": model.get_weights()}


@case
def shapes_that_differ_between_ranks(place):
    """In a loop of one's own a rank may see other shapes than the others: it traces alone."""
    with place.scope():
        model = keras.Sequential([keras.layers.Input([None, 3]), keras.layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.05)
        optimizer.build(model.trainable_variables)

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(x)))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    run = tf.function(lambda x: place.run(step, x))
    x = np.random.default_rng(0).normal(size=[2, 6, 3]).astype(np.float32)
    for cut in (2, 4, 2):
        # All of x in the end: alone in one piece, together cut elsewhere in each step.
        mine = x if place.size == 1 else [x[:, :cut], x[:, cut:]][place.rank]
        run(tf.constant(mine))
    return {"weights": model.get_weights()}


@case
def metrics_by_hand(place):
    """Updated within the step, and outside of it, where every rank knows the loss of all."""
    with place.scope():
        model = keras.Sequential(layers())
        optimizer = keras.optimizers.SGD(0.05)
        optimizer.build(model.trainable_variables)
        within, outside = keras.metrics.MeanAbsoluteError(), keras.metrics.Mean()
    foreign = keras.metrics.Mean()
    batches = tf.data.Dataset.from_tensor_slices(data(3 * BATCH + 1)).batch(BATCH)
    if place.strategy is not None:
        batches = place.strategy.experimental_distribute_dataset(batches)

    def step(x, y):
        with tf.GradientTape() as tape:
            predicted = model(x)
            rows = tf.reduce_mean(tf.square(predicted - y), axis=1)
            loss = tf.nn.compute_average_loss(rows, global_batch_size=BATCH)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        within.update_state(y, predicted)
        return loss

    run = tf.function(lambda batch: place.reduce(place.run(step, *batch)))
    seen = []
    for _ in range(2):
        for batch in batches:
            loss = run(batch)
            outside.update_state(loss)
            foreign.update_state(loss)
        for metric in (within, outside, foreign):
            total, count = (variable.value for variable in metric.variables)
            # Also where TensorFlow reads a variable without asking it, if it can.
            seen += [metric.result(), tf.divide(total, count), tf.subtract(total, 1.0)]
            metric.reset_state()
    return {"weights": model.get_weights(), "seen": seen}


@case
def loop_without_run(place):
    """As in the guide 'Writing a training loop from scratch': each rank computes all of it."""
    with place.scope():
        model = keras.Sequential(layers())
        optimizer = keras.optimizers.SGD(0.05)
        mean = keras.metrics.MeanSquaredError()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            predicted = model(x, training=True)
            loss = keras.losses.MeanSquaredError()(y, predicted)
        optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        mean.update_state(y, predicted)
        return loss

    batches = tf.data.Dataset.from_tensor_slices(data(3 * BATCH + 1)).batch(BATCH)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        losses = [step(*batch) for batch in batches]
    told = [str(one.message) for one in caught if "outside of strategy.run" in str(one.message)]
    assert len(told) == (place.size > 1), told
    return {"weights": model.get_weights(), "losses": losses, "mean": mean.result()}


# --- how models are built -------------------------------------------------------------------------


class Late(keras.Model):
    """Its layers' variables are made when it is first called; one layer is made in `build`."""

    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(4, "tanh")
        self.drop = keras.layers.Dropout(0.0)

    def build(self, shape):
        self.last = keras.layers.Dense(2)
        self.first.build(shape)
        self.last.build([None, 4])

    def call(self, x):
        return self.last(self.drop(self.first(x)))


@case
def first_called_outside_of_the_scope(place):
    """To see a summary, as programs do; the models themselves were made in the scope."""
    with place.scope():
        subclassed = Late()
        sequential = keras.Sequential([keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)])
    subclassed(np.zeros([1, 6], np.float32))
    sequential.build([None, 6])
    outcome = {}
    for name, model in (("subclassed", subclassed), ("sequential", sequential)):
        model.compile(keras.optimizers.Adam(0.02, epsilon=1e-3), "mse")
        history = model.fit(*data(3 * BATCH), batch_size=BATCH, shuffle=False, verbose=0)
        outcome[name] = [model.get_weights(), history.history["loss"]]
    return outcome


@case
def layers_adapted_before(place):
    """Made and adapted outside of the scope, as preprocessing often is, and frozen statistics."""
    x, y = data(3 * BATCH)
    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    texts = np.array([["a b c"], ["b c d"], ["e"]] * BATCH)
    words = keras.layers.TextVectorization(output_sequence_length=4)
    words.adapt(texts)
    with place.scope():
        numbers, text = keras.Input([6]), keras.Input([1], dtype="string")
        embedded = keras.layers.Embedding(10, 3, mask_zero=True)(words(text))
        embedded = keras.layers.GlobalAveragePooling1D()(embedded)
        joined = keras.layers.Concatenate()([normalization(numbers), embedded])
        model = keras.Model([numbers, text], keras.layers.Dense(2)(joined))
        model.compile(keras.optimizers.SGD(0.05), "mse")
    batches = tf.data.Dataset.from_tensor_slices(((x, texts), y)).batch(BATCH)
    history = model.fit(batches, epochs=2, verbose=0)
    if place.strategy is not None:
        place.strategy.check(model)
    return {"weights": model.get_weights(), "loss": history.history["loss"]}


@case
def whole_program_in_the_scope(place):
    """All of it, with callbacks that write files on one rank, as some prefer to do it."""
    folder = f"{place.folder}/{'alone' if place.strategy is None else 'ddl'} in the scope"
    with place.scope():
        x, y = data(3 * BATCH + 1)
        batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=2).batch(BATCH)
        model = keras.Sequential([*layers(), keras.layers.BatchNormalization(trainable=False)])
        model.compile(keras.optimizers.Adam(0.02, epsilon=1e-3), "mse", metrics=["mae"])
        callbacks = [
            keras.callbacks.BackupAndRestore(f"{folder}/backup"),
            keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(f"{folder}/best.keras", save_best_only=True),
            keras.callbacks.TensorBoard(f"{folder}/board", histogram_freq=1, update_freq=2),
        ]
        fitted = {"epochs": 3, "validation_data": batches, "callbacks": callbacks, "verbose": 0}
        history = model.fit(batches, **fitted).history
        loaded = keras.models.load_model(f"{folder}/best.keras")
        outcome = {"weights": model.get_weights(), "history": history}
        outcome["evaluate"] = model.evaluate(x, y, batch_size=BATCH, verbose=0)
        outcome["predict"] = loaded.predict(x, verbose=0)
        return outcome
