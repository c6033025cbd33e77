"""Sentiment of reviews by a transformer block, in the manner of a Keras example."""

import keras
import numpy as np
from keras import layers, ops

keras.utils.set_random_seed(13)

VOCAB_SIZE, MAXLEN, EMBED_DIM, NUM_HEADS, FF_DIM = 300, 20, 16, 2, 16


def load_data(reviews, seed):
    """Word numbers, some of which are more frequent in good reviews."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, reviews)
    good = rng.random((reviews, MAXLEN)) < np.where(labels, 0.75, 0.25)[:, None]
    words = 2 * rng.integers(1, VOCAB_SIZE // 2 - 1, (reviews, MAXLEN)) + good
    return words, labels


class TransformerBlock(layers.Layer):
    """Attention and a small network, each with dropout and added to its input."""

    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1):
        super().__init__()
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential(
            [layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)]
        )
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs):
        attn_output = self.dropout1(self.att(inputs, inputs))
        out1 = self.layernorm1(inputs + attn_output)
        return self.layernorm2(out1 + self.dropout2(self.ffn(out1)))


class TokenAndPositionEmbedding(layers.Layer):
    """The sum of an embedding of the word and one of its place."""

    def __init__(self, maxlen, vocab_size, embed_dim):
        super().__init__()
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        return self.token_emb(x) + self.pos_emb(ops.arange(0, ops.shape(x)[-1], 1))


x_train, y_train = load_data(901, 0)
x_val, y_val = load_data(200, 1)

# scope {
inputs = layers.Input(shape=(MAXLEN,))
x = TokenAndPositionEmbedding(MAXLEN, VOCAB_SIZE, EMBED_DIM)(inputs)
x = TransformerBlock(EMBED_DIM, NUM_HEADS, FF_DIM)(x)
x = layers.GlobalAveragePooling1D()(x)
x = layers.Dropout(0.1)(x)
x = layers.Dense(20, activation="relu")(x)
x = layers.Dropout(0.1)(x)
outputs = layers.Dense(2, activation="softmax")(x)
model = keras.Model(inputs=inputs, outputs=outputs)
model.compile(
    optimizer=keras.optimizers.Adam(0.01),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
# }

history = model.fit(x_train, y_train, batch_size=64, epochs=2, validation_data=(x_val, y_val))
test_loss, test_accuracy = model.evaluate(x_val, y_val, verbose=0)
