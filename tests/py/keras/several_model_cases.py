"""More cases of test_models.py: several models and optimizers in one program."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from alone_and_together import case
from keras import layers

_BATCH = 9


def _floats(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _adam():
    return keras.optimizers.Adam(0.02, epsilon=1e-3)


def _mlp(inputs, outputs, name):
    return keras.Sequential(
        [keras.Input([inputs]), layers.Dense(6, "tanh"), layers.Dense(outputs)], name=name
    )


# --- a GAN ----------------------------------------------------------------------------------------


class Gan(keras.Model):
    """As in Keras' guides: a discriminator's step, then a generator's, in one train_step.

    The noise is part of the data, so that it is the same in one process and in several.
    """

    def __init__(self):
        super().__init__()
        self.generator = _mlp(3, 4, "generator")
        self.discriminator = _mlp(4, 1, "discriminator")
        self.d_seen = keras.metrics.Mean("d_loss")
        self.g_seen = keras.metrics.Mean("g_loss")

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.d_seen, self.g_seen]

    def discriminator_loss(self, real, fake):
        predicted = self.discriminator(tf.concat([real, fake], axis=0))
        labels = tf.concat([tf.ones_like(real[:, :1]), tf.zeros_like(fake[:, :1])], axis=0)
        return self.loss_fn(labels, predicted)

    def train_step(self, data):
        real, noise = data
        with tf.GradientTape() as tape:
            d_loss = self.discriminator_loss(real, self.generator(noise))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)
        with tf.GradientTape() as tape:
            predicted = self.discriminator(self.generator(noise))
            g_loss = self.loss_fn(tf.ones_like(predicted), predicted)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        self.d_seen.update_state(d_loss)
        self.g_seen.update_state(g_loss)
        return {"d_loss": self.d_seen.result(), "g_loss": self.g_seen.result()}


def _apply_in_a_function(optimizer, gradients, weights):
    tf.function(lambda: optimizer.apply(gradients, weights), autograph=False)()


class NestedGan(Gan):
    """Both gradients from one persistent tape, with a gradient penalty, applied in functions."""

    def train_step(self, data):
        real, noise = data
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator(noise)
            between = 0.5 * (real + fake)
            with tf.GradientTape() as inner:
                inner.watch(between)
                score = self.discriminator(between)
            slope = tf.norm(inner.gradient(score, between) + 1e-6, axis=1)
            penalty = tf.reduce_mean(tf.square(slope - 1.0))
            d_loss = self.discriminator_loss(real, fake) + 0.1 * penalty
            g_loss = -tf.reduce_mean(self.discriminator(fake))

        for optimizer, loss, model in (
            (self.d_optimizer, d_loss, self.discriminator),
            (self.g_optimizer, g_loss, self.generator),
        ):
            weights = model.trainable_weights
            _apply_in_a_function(optimizer, tape.gradient(loss, weights), weights)
        self.d_seen.update_state(d_loss)
        self.g_seen.update_state(g_loss)
        return {"d_loss": self.d_seen.result(), "g_loss": self.g_seen.result()}


def _train_gan(place, kind):
    with place.scope():
        gan = kind()
        gan.compile(_adam(), keras.optimizers.SGD(0.05, momentum=0.5, clipnorm=0.5))
        gan.d_optimizer.build(gan.discriminator.trainable_weights)
        gan.g_optimizer.build(gan.generator.trainable_weights)
    real, noise = _floats(40, 4), _floats(40, 3, seed=4)
    history = gan.fit(real, noise, batch_size=_BATCH, epochs=2, shuffle=False, verbose=0)
    return {
        "generator": gan.generator.get_weights(),
        "discriminator": gan.discriminator.get_weights(),
        "history": history.history,
    }


@case
def gan(place):
    return _train_gan(place, Gan)


@case
def gan_with_nested_tapes(place):
    return _train_gan(place, NestedGan)


# --- distillation ---------------------------------------------------------------------------------


class Distiller(keras.Model):
    """As on keras.io: `compute_loss` asks a frozen teacher."""

    def __init__(self, student, teacher):
        super().__init__()
        self.student, self.teacher = student, teacher

    def call(self, x):
        return self.student(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        teachers = self.teacher(x, training=False)
        student_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, y_pred)
        softened = keras.losses.KLDivergence()(tf.nn.softmax(teachers), tf.nn.softmax(y_pred))
        return 0.3 * student_loss + 0.7 * softened


@case
def distillation(place):
    """A teacher is trained, frozen, and taught from; then the student is trained on by itself."""
    x, y = _floats(40, 4), np.random.default_rng(5).integers(0, 3, [40])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with place.scope():
        teacher, student = _mlp(4, 3, "teacher"), _mlp(4, 3, "student")
        teacher.compile(_adam(), loss)
    fit = {"batch_size": _BATCH, "shuffle": False, "verbose": 0}
    losses = teacher.fit(x, y, **fit).history["loss"]
    teacher.trainable = False
    with place.scope():
        distiller = Distiller(student, teacher)
        distiller.compile(_adam(), metrics=["accuracy"])
    losses += distiller.fit(x, y, **fit).history["loss"]
    with place.scope():
        student.compile("sgd", loss)
    losses += student.fit(x, y, **fit).history["loss"]
    return {"teacher": teacher.get_weights(), "student": student.get_weights(), "losses": losses}


# --- interleaved and nested -----------------------------------------------------------------------


@case
def interleaved(place):
    """Two models take turns, batch by batch, each with an optimizer of its own."""
    with place.scope():
        first, second = _mlp(4, 2, "first"), _mlp(4, 2, "second")
        first.compile(_adam(), "mse")
        second.compile(keras.optimizers.SGD(0.05), "mae")
    x, y = _floats(4 * _BATCH, 4), _floats(4 * _BATCH, 2)
    losses = []
    for i in range(0, len(x), _BATCH):
        rows = slice(i, i + _BATCH)
        mine = [place.mine(x[rows]), place.mine(y[rows])]
        losses += [float(model.train_on_batch(*mine)) for model in (first, second)]
        losses.append(float(first.evaluate(x, y, batch_size=_BATCH, verbose=0)))
    return {"first": first.get_weights(), "second": second.get_weights(), "losses": losses}


@case
def fit_within_fit(place):
    """A callback of one model's fit trains another model, and predicts with the first."""
    with place.scope():
        outer, inner = _mlp(4, 2, "outer"), _mlp(2, 1, "inner")
        outer.compile(_adam(), "mse")
        inner.compile(_adam(), "mse")
    x, y = _floats(30, 4), _floats(30, 2)
    losses = []

    class Inner(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                made = outer.predict(x, batch_size=_BATCH, verbose=0)
                history = inner.fit(made, y[:, :1], batch_size=_BATCH, shuffle=False, verbose=0)
                losses.extend(history.history["loss"])

    history = outer.fit(
        x, y, batch_size=_BATCH, epochs=2, shuffle=False, verbose=0, callbacks=[Inner()]
    )
    losses += history.history["loss"]
    return {"outer": outer.get_weights(), "inner": inner.get_weights(), "losses": losses}


@case
def one_loss_of_two_models(place):
    """A loop of one's own that trains two models, each by its own optimizer, from one loss."""
    with place.scope():
        encoder, decoder = _mlp(4, 2, "encoder"), _mlp(2, 4, "decoder")
        optimizers = [_adam(), keras.optimizers.RMSprop(0.01, epsilon=1e-3)]
        for optimizer, model in zip(optimizers, (encoder, decoder), strict=True):
            optimizer.build(model.trainable_variables)

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(decoder(encoder(x)) - x)) / _BATCH
        variables = [model.trainable_variables for model in (encoder, decoder)]
        for optimizer, own, gradients in zip(
            optimizers, variables, tape.gradient(loss, variables), strict=True
        ):
            optimizer.apply(gradients, own)
        return loss

    run = tf.function(lambda x: place.reduce(place.run(step, x)))
    x = _floats(3 * _BATCH, 4)
    losses = [run(tf.constant(place.mine(x[i : i + _BATCH]))) for i in range(0, len(x), _BATCH)]
    return {"encoder": encoder.get_weights(), "decoder": decoder.get_weights(), "losses": losses}
