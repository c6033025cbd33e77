"""What happens in fit, written out, in the manner of a Keras guide: an own loss and own metrics."""

import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(8)


class CustomModel(keras.Model):
    """Computes its loss by itself, as a mean over the rows of the batch."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.mae_metric = keras.metrics.MeanAbsoluteError(name="mae")

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = tf.reduce_mean(tf.square(y - y_pred)) + sum(self.losses)
        trainable_vars = self.trainable_variables
        gradients = tape.gradient(loss, trainable_vars)
        self.optimizer.apply(gradients, trainable_vars)
        self.loss_tracker.update_state(loss)
        self.mae_metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.loss_tracker.update_state(tf.reduce_mean(tf.square(y - y_pred)) + sum(self.losses))
        self.mae_metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    @property
    def metrics(self):
        return [self.loss_tracker, self.mae_metric]


class Unfolded(keras.Model):
    """The same step with losses, metrics and weights of samples that `compile` was given."""

    def train_step(self, data):
        x, y, sample_weight = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred, sample_weight=sample_weight)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred, sample_weight=sample_weight)
        return {m.name: m.result() for m in self.metrics}


rng = np.random.default_rng(0)
x = rng.random((403, 12)).astype("float32")
y = (x @ rng.normal(size=(12, 1)) + 0.1 * rng.normal(size=(403, 1))).astype("float32")
sample_weight = rng.random((403, 1)).astype("float32")


def layer_stack():
    inputs = keras.Input(shape=(12,))
    hidden = keras.layers.Dense(16, "tanh", kernel_regularizer=keras.regularizers.L2(1e-3))(inputs)
    return inputs, keras.layers.Dense(1)(hidden)


# scope {
model = CustomModel(*layer_stack())
model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9))
unfolded = Unfolded(*layer_stack())
unfolded.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse", metrics=["mae"])
# }

history = model.fit(x, y, epochs=2, validation_split=0.2)
scores = model.evaluate(x, y)
history_unfolded = unfolded.fit(x, y, sample_weight=sample_weight, epochs=2)
