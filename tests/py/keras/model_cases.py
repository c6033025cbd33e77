"""Cases of test_models.py: kinds of layers and of models."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from alone_and_together import case
from keras import layers

_BATCH = 9  # 5 and 4 rows on two ranks


def _rng():
    return np.random.default_rng(3)


def _floats(*shape):
    return _rng().normal(size=shape).astype(np.float32)


def _words(*shape, below=30):
    return _rng().integers(1, below, shape).astype(np.int32)


def _adam():
    return keras.optimizers.Adam(0.02, epsilon=1e-3)


def _fit(place, build, x, y, loss="mse", epochs=2, **compiled):
    with place.scope():
        model = build()
        model.compile(compiled.pop("optimizer", None) or _adam(), loss, **compiled)
    history = model.fit(x, y, batch_size=_BATCH, epochs=epochs, shuffle=False, verbose=0)
    predicted = model.predict(x, batch_size=_BATCH, verbose=0)
    return {"weights": model.get_weights(), "loss": history.history["loss"], "predict": predicted}


# --- how models are made --------------------------------------------------------------------------


@case
def several_inputs_and_outputs(place):
    def build():
        a, b = keras.Input([4], name="a"), keras.Input([3], name="b")
        shared = layers.Dense(5, "tanh", name="shared")
        left = shared(layers.Dense(4, name="left")(a))
        right = shared(layers.Dense(4, name="right")(b))
        both = layers.Concatenate()([left, right, layers.Dot(1)([left, right])])
        outputs = {"p": layers.Dense(1, name="p")(both), "q": layers.Dense(3, name="q")(both)}
        return keras.Model({"a": a, "b": b}, outputs)

    x = {"a": _floats(32, 4), "b": _floats(32, 3)}
    y = {"p": _floats(32, 1), "q": _rng().integers(0, 3, [32])}
    losses = {"p": "mse", "q": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    return _fit(place, build, x, y, losses, loss_weights={"p": 0.3, "q": 2.0})


class Subclassed(keras.Model):
    """Layers made in `build`, a loss and an activity regularizer of its own, a training branch."""

    def __init__(self):
        super().__init__()
        self.out = layers.Dense(2)

    def build(self, shape):
        self.kernel = self.add_weight(shape=[shape[-1], 6], name="kernel")
        self.hidden = layers.Dense(6, "tanh", activity_regularizer=keras.regularizers.L2(1e-2))
        self.hidden.build([None, 6])
        self.out.build([None, 6])

    def call(self, x, training=False):
        x = self.hidden(tf.matmul(x, self.kernel))
        if training:
            x = x * 0.5
        self.add_loss(0.01 * tf.reduce_mean(tf.square(x)))
        return self.out(x)


@case
def subclassed(place):
    return _fit(place, Subclassed, _floats(32, 4), _floats(32, 2))


@case
def nested_models(place):
    def build():
        inner = keras.Sequential([layers.Dense(5, "tanh"), layers.Dense(5)], name="inner")
        x = keras.Input([4])
        return keras.Model(x, layers.Dense(2)(inner(layers.Dense(4)(x)) + inner(x)))

    return _fit(place, build, _floats(32, 4), _floats(32, 2))


# --- kinds of layers ------------------------------------------------------------------------------


def _sequence_model(*middle, vocabulary=30):
    return keras.Sequential(
        [
            keras.Input([7], dtype="int32"),
            layers.Embedding(vocabulary, 6, mask_zero=True),
            *middle,
            layers.Dense(2),
        ]
    )


def _sequences():
    words = _words(32, 7)
    words[:, 5:] *= _rng().integers(0, 2, [32, 1]).astype(np.int32)  # some end earlier
    return words, _floats(32, 2)


@case
def embedding(place):
    """Gradients are tf.IndexedSlices; what travels is the rows that occur."""
    middle = layers.GlobalAveragePooling1D()
    return _fit(place, lambda: _sequence_model(middle, vocabulary=500), *_sequences())


@case
def embedding_used_twice(place):
    """As input, shared by two inputs, and transposed as the output's kernel: sparse and dense."""

    def build():
        table = layers.Embedding(30, 6, name="table")
        a, b = keras.Input([3], dtype="int32"), keras.Input([3], dtype="int32")
        x = layers.Flatten()(table(a)) * layers.Flatten()(table(b))
        x = layers.Dense(6, "tanh")(x)
        return keras.Model([a, b], TiedOutput(table)(x))

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _fit(place, build, [_words(32, 3), _words(32, 3)], _words(32)[:], loss)


class TiedOutput(layers.Layer):
    def __init__(self, table):
        super().__init__()
        self.table = table

    def call(self, x):
        return tf.matmul(x, self.table.embeddings, transpose_b=True)


@case
def lstm(place):
    return _fit(place, lambda: _sequence_model(layers.LSTM(5)), *_sequences())


@case
def gru_stacked_bidirectional(place):
    middle = (layers.Bidirectional(layers.GRU(4, return_sequences=True)), layers.GRU(3))
    return _fit(place, lambda: _sequence_model(*middle), *_sequences())


@case
def simple_rnn_unrolled(place):
    return _fit(place, lambda: _sequence_model(layers.SimpleRNN(5, unroll=True)), *_sequences())


@case
def attention(place):
    def build():
        x = keras.Input([6, 4])
        h = layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
        h = layers.LayerNormalization()(x + h)
        h = layers.Attention()([h, h]) + layers.AdditiveAttention()([h, h])
        h = layers.GroupQueryAttention(4, 2, 1)(h, h)
        return keras.Model(x, layers.Dense(2)(layers.Flatten()(h)))

    return _fit(place, build, _floats(32, 6, 4), _floats(32, 2))


@case
def convolutions(place):
    def build():
        return keras.Sequential(
            [
                keras.Input([8, 8, 3]),
                layers.Conv2D(4, 3, activation="relu"),
                layers.DepthwiseConv2D(3, padding="same"),
                layers.GroupNormalization(2),
                layers.SeparableConv2D(4, 3),
                layers.Conv2DTranspose(2, 2, strides=2),
                layers.GlobalMaxPooling2D(),
                layers.Dense(2),
            ]
        )

    return _fit(place, build, _floats(32, 8, 8, 3), _floats(32, 2))


# --- masks ----------------------------------------------------------------------------------------


def _masked(reduction, rate=0.1, **fitted):
    """A loss in each step of time; how many are masked differs between rows, so between ranks."""

    def run(place):
        def build():
            return keras.Sequential(
                [
                    keras.Input([7], dtype="int32"),
                    layers.Embedding(30, 6, mask_zero=True),
                    layers.GRU(4, return_sequences=True),
                    layers.Dense(1),
                ]
            )

        words = _words(31, 7) * (np.arange(7) < np.sort(_rng().integers(1, 8, [31, 1]), axis=0))
        y = _floats(31, 7, 1)
        loss = keras.losses.MeanSquaredError(reduction=reduction)
        optimizer = keras.optimizers.SGD(rate)
        compiled = {"optimizer": optimizer, "weighted_metrics": ["mae"], **fitted}
        return _fit(place, build, words.astype(np.int32), y, loss, **compiled)

    return run


def _register(name, run):
    run.__name__ = name
    case(run)


_register("masked mean", _masked("sum_over_batch_size"))
_register("masked sum", _masked("sum", rate=1e-3))
_register("masked mean, eager", _masked("sum_over_batch_size", run_eagerly=True))


@case
def weighted_mean(place):
    """Divided by the sum of the weights, which is another one on each rank."""
    with place.scope():
        model = keras.Sequential([keras.Input([4]), layers.Dense(2)])
        loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
        model.compile(keras.optimizers.SGD(0.1), loss)
    weights = np.linspace(0, 3, 28)  # of the last row rank 1 has nothing
    x, y = _floats(28, 4), _floats(28, 2)
    fitted = {"batch_size": _BATCH, "epochs": 2, "shuffle": False, "verbose": 0}
    history = model.fit(
        x, y, sample_weight=weights, validation_data=(x, y, weights), **fitted
    ).history
    return {"weights": model.get_weights(), "history": history}


# --- what is trained ------------------------------------------------------------------------------


def _three():
    return keras.Sequential(
        [keras.Input([4])] + [layers.Dense(4, "tanh", name=f"layer{i}") for i in range(3)]
    )


@case
def frozen_layers(place):
    def build():
        model = _three()
        model.layers[0].trainable = False
        return model

    return _fit(place, build, _floats(32, 4), _floats(32, 4))


@case
def layers_without_gradient(place):
    """One that nothing depends on, and one behind a stop_gradient."""

    def build():
        x = keras.Input([4])
        used = layers.Dense(2, name="used")(x)
        stopped = layers.Lambda(tf.stop_gradient)(layers.Dense(2, name="stopped")(x))
        unused = layers.Dense(3, name="unused")(x)
        return keras.Model(x, [used + stopped, unused])

    return _fit(place, build, _floats(32, 4), [_floats(32, 2), None], ["mse", None])


@case
def trainable_set_changes(place):
    """Fine-tuning: freeze, compile, fit; unfreeze, compile, fit; outside of the scope, too."""
    with place.scope():
        model = _three()
    x, y = _floats(32, 4), _floats(32, 4)
    losses, groups = [], []
    for frozen in ([0, 1], [], [2]):
        for i, layer in enumerate(model.layers):
            layer.trainable = i not in frozen
        model.compile(_adam(), "mse")
        with place.gradient_calls() as calls:
            history = model.fit(x, y, batch_size=_BATCH, shuffle=False, verbose=0)
        losses += history.history["loss"]
        groups.append([len(names) for names in calls])
    if place.strategy is not None:
        assert groups == [[2] * 4, [6] * 4, [4] * 4], groups
    return {"weights": model.get_weights(), "losses": losses}


# --- well-known models ----------------------------------------------------------------------------


def _resnet_fit(place, model, statistics):
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = statistics
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    before = model.get_weights()
    x, y = _floats(16, 32, 32, 3), _rng().integers(0, 4, [16])
    history = model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    moved = [new - old for new, old in zip(model.get_weights(), before, strict=True)]
    return moved, history.history["loss"]


@case
def resnet50(place):
    """BatchNormalization in inference mode, as when fine-tuning: equal to the single process.

    Then, on the ranks, BatchNormalization by each rank's rows.
    """
    with place.scope():
        model = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=4)
    moved, loss = _resnet_fit(place, model, statistics=False)
    outcome = {"moved": moved, "loss": loss}
    if place.strategy is not None:
        outcome["by rank"] = _resnet_fit(place, model, statistics=True)
    return outcome


def _hub(place, build, x, y):
    try:
        import keras_hub
    except ImportError as error:
        return {"missing": str(error)}
    outcome = _fit(
        place,
        lambda: build(keras_hub.models),
        x,
        y,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        epochs=1,
    )
    return outcome


@case
def keras_hub_bert(place):
    def build(models):
        backbone = models.BertBackbone(
            vocabulary_size=50,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=32,
            max_sequence_length=12,
            dropout=0.0,
        )
        return models.BertTextClassifier(backbone, num_classes=3, preprocessor=None, dropout=0.0)

    x = {
        "token_ids": _words(20, 12, below=50),
        "segment_ids": np.zeros([20, 12], np.int32),
        "padding_mask": np.ones([20, 12], np.int32),
    }
    return _hub(place, build, x, _rng().integers(0, 3, [20]))


@case
def keras_hub_gpt2(place):
    """A causal language model with tied embeddings."""

    def build(models):
        backbone = models.GPT2Backbone(
            vocabulary_size=50,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=32,
            max_sequence_length=12,
            dropout=0.0,
        )
        return models.GPT2CausalLM(backbone, preprocessor=None)

    x = {"token_ids": _words(20, 12, below=50), "padding_mask": np.ones([20, 12], np.int32)}
    return _hub(place, build, x, _words(20, 12, below=50))
