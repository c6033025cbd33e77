"""Sentiment of reviews by two bidirectional LSTMs, in the manner of a Keras example."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(2)

MAX_FEATURES = 500  # words
MAX_LENGTH = 24  # words of a review


def load_data(reviews, seed):
    """Reviews as lists of word numbers: some words are more frequent in good ones."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, reviews)
    good = rng.random((reviews, MAX_LENGTH)) < np.where(labels, 0.7, 0.3)[:, None]
    words = 1 + 2 * rng.zipf(1.3, (reviews, MAX_LENGTH)) % (MAX_FEATURES // 2 - 1) + good
    lengths = rng.integers(5, MAX_LENGTH + 1, reviews)
    return [list(row[:n]) for row, n in zip(words, lengths)], labels


x_train, y_train = load_data(331, 0)
x_val, y_val = load_data(100, 1)
x_train = keras.utils.pad_sequences(x_train, maxlen=MAX_LENGTH)
x_val = keras.utils.pad_sequences(x_val, maxlen=MAX_LENGTH)

# scope {
inputs = keras.Input(shape=(None,), dtype="int32")
x = layers.Embedding(MAX_FEATURES, 16)(inputs)
x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
x = layers.Bidirectional(layers.LSTM(8))(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs, outputs)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
# }

history = model.fit(x_train, y_train, batch_size=32, epochs=2, validation_data=(x_val, y_val))
