"""Training steps of two small models, one compute thread a worker.

Everybody trains the same model on the same number of rows per worker, so that what a step takes
longer than without communication is what the communication did not hide.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from . import peers
from .subject import Moment, Span, Subject

__all__ = ["Alone", "Ddl", "Horovod", "Mwms", "parameters"]

_CLASSES = 10
_ROWS = {"mlp": 64, "cnn": 32}  # per worker and step
_ROW_SHAPE = {"mlp": (784,), "cnn": (28, 28, 1)}
_BATCHES = 4  # different ones, used in turn


def build(keras: Any, name: str) -> Any:
    """The model "mlp" (10.0 M parameters) or "cnn" (2.5 M)."""
    layers = keras.layers
    if name == "mlp":
        hidden = [layers.Dense(2048, activation="relu") for _ in range(3)]
        stack = [*hidden, layers.Dense(_CLASSES)]
    else:
        stack = [
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(384, activation="relu"),
            layers.Dense(_CLASSES),
        ]
    return keras.Sequential([keras.Input(_ROW_SHAPE[name]), *stack])


def parameters(name: str) -> int:
    """Number of trainable values of a model; needs Keras."""
    return build(importlib.import_module("keras"), name).count_params()


class Training(Subject):
    """Steps by `fit`, or by a loop of one's own: `GradientTape` and `optimizer.apply`."""

    in_place = False

    def open(self) -> dict[str, str]:
        self.tf = importlib.import_module("tensorflow")
        self.tf.config.threading.set_intra_op_parallelism_threads(1)
        self.tf.config.threading.set_inter_op_parallelism_threads(1)
        self.keras = importlib.import_module("keras")
        self.join()
        return {"tensorflow": self.tf.__version__, "keras": self.keras.__version__}

    def join(self) -> None:
        """Joins the other workers."""

    def scope(self) -> Any:
        """Where the model is built."""
        return self.tf.distribute.get_strategy().scope()

    def per_worker(self, step: Callable[..., Any], rows: Any, labels: Any) -> Any:
        """Calls `step` as this kind of worker does, in a graph that is being traced."""
        return step(rows, labels)

    def gradients(self, tape: Any, loss: Any, variables: list[Any]) -> list[Any]:
        """The gradients to hand to `optimizer.apply`."""
        return tape.gradient(loss, variables)

    #: How many workers' rows `fit` is given at a time.
    workers_in_batch = 1

    def prepare(self, spec: dict[str, Any]) -> None:
        self.keras.backend.clear_session()
        self.keras.utils.set_random_seed(1)
        self._loop = spec["loop"]
        with self.scope():
            self._model = build(self.keras, spec["model"])
            optimizer = self.keras.optimizers.SGD(0.01, momentum=0.9)
            loss = self.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            self._model.compile(optimizer, loss)
            optimizer.build(self._model.trainable_variables)
        self._prepared = self._fit(spec) if self._loop == "fit" else self._own_loop(spec)

    def reset(self) -> None:
        """Training goes on where it was."""

    def run(self, count: int) -> Span | None:
        return self._prepared(count)

    def check(self, count: int) -> str:
        total = sum(float(np.abs(weight).sum()) for weight in self._model.get_weights())
        return "" if np.isfinite(total) else f"the weights add up to {total}"

    def digest(self) -> str:
        sha = hashlib.sha256()
        for weight in self._model.get_weights():
            sha.update(np.ascontiguousarray(weight).tobytes())
        return sha.hexdigest()

    def _fit(self, spec: dict[str, Any]) -> Callable[[int], Span]:
        rows = _ROWS[spec["model"]] * self.workers_in_batch
        data = _data(spec["model"], rows * _BATCHES, seed=0)
        dataset = self.tf.data.Dataset.from_tensor_slices(data).repeat().batch(rows)

        def steps(count: int) -> Span:
            # The first epoch waits for its data. A hook of batches would be an exchange a step.
            moments: list[Moment] = []
            clock = self.keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: moments.append(Moment.now()),
                on_epoch_end=lambda epoch, logs: moments.append(Moment.now()),
            )
            self._model.fit(dataset, epochs=2, steps_per_epoch=count, verbose=0, callbacks=[clock])
            return Span(*moments[2:])

        return steps

    def _own_loop(self, spec: dict[str, Any]) -> Callable[[int], Span]:
        tf, model = self.tf, self._model
        loss_of = self.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        variables = model.trainable_variables

        def step(rows: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = loss_of(labels, model(rows, training=True))
            gradients = self.gradients(tape, loss, variables)
            model.optimizer.apply(gradients, variables)
            return loss

        @tf.function(autograph=False)
        def call(rows: Any, labels: Any) -> Any:
            return self.per_worker(step, rows, labels)

        per_worker = _ROWS[spec["model"]]
        rows, labels = _data(spec["model"], per_worker * _BATCHES, seed=self.rank)
        batches = [
            (tf.constant(rows[at : at + per_worker]), tf.constant(labels[at : at + per_worker]))
            for at in range(0, len(rows), per_worker)
        ]

        def steps(count: int) -> Span:
            begin = Moment.now()
            for index in range(count):
                call(*batches[index % _BATCHES])
            return Span(begin, Moment.now())

        return steps


class Alone(Training):
    """No communication, TensorFlow's default strategy."""

    def digest(self) -> str:
        return ""


class _Distributed(Training):
    """With a tf.distribute.Strategy; subclasses give `make_strategy`."""

    def make_strategy(self) -> Any:
        """A new strategy."""
        raise NotImplementedError

    def join(self) -> None:
        self._strategy = self.make_strategy()
        self.workers_in_batch = self.size

    def scope(self) -> Any:
        return self._strategy.scope()

    def per_worker(self, step: Callable[..., Any], rows: Any, labels: Any) -> Any:
        return self._strategy.run(step, args=(rows, labels))


class Ddl(_Distributed):
    """tf_ddl."""

    def make_strategy(self) -> Any:
        return importlib.import_module("tf_ddl").DDLStrategy()

    def close(self) -> None:
        importlib.import_module("tf_ddl").collective.shutdown()


class Mwms(_Distributed):
    """TensorFlow's MultiWorkerMirroredStrategy with RING; its `fit` fails with Keras 3."""

    def make_strategy(self) -> Any:
        return peers.ring_strategy(self.tf)


class Horovod(Training):
    """Horovod's tape, the one of its doors that reduces anything under Keras 3."""

    def join(self) -> None:
        self._hvd = importlib.import_module("horovod.tensorflow")
        self._hvd.init()

    def gradients(self, tape: Any, loss: Any, variables: list[Any]) -> list[Any]:
        tape = self._hvd.DistributedGradientTape(tape)
        return tape.gradient(loss, [variable.value for variable in variables])

    def close(self) -> None:
        self._hvd.shutdown()


def _data(model: str, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    inputs = random.standard_normal((rows, *_ROW_SHAPE[model]), np.float32)
    return inputs, random.integers(0, _CLASSES, rows)
