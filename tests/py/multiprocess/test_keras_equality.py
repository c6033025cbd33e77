"""Training on several workers gives the weights of one process, bit-for-bit equal on all."""

import numpy as np
import pytest
from harness import run_workers

KINDS = ["mlp", "cnn", "embedding"]
OPTIMIZERS = ["sgd", "adam"]
STEPS = 20
BATCH = 26  # not divisible by 3 or 4: the ranks' shares differ


def train(folder, kinds, optimizers, steps, batch, with_strategy):
    import contextlib

    import keras
    import numpy as np
    import tensorflow as tf

    rank, scope = 0, contextlib.nullcontext
    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
        rank, scope = strategy.rank, strategy.scope

    def build(kind):
        layers = keras.layers
        if kind == "mlp":
            return [
                layers.Input([12]),
                layers.Dense(32, activation="tanh"),
                layers.Dense(16, activation="tanh", kernel_regularizer=keras.regularizers.L2(1e-3)),
                layers.Dense(5),
            ]
        if kind == "cnn":
            return [
                layers.Input([8, 8, 2]),
                layers.Conv2D(6, 3, activation="tanh"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(5),
            ]
        return [
            layers.Input([4], dtype="int32"),
            layers.Embedding(50, 8),
            layers.Flatten(),
            layers.Dense(5),
        ]

    rows = np.random.default_rng(0)
    inputs = {
        "mlp": rows.normal(size=[steps * batch, 12]).astype(np.float32),
        "cnn": rows.normal(size=[steps * batch, 8, 8, 2]).astype(np.float32),
        "embedding": rows.integers(0, 50, size=[steps * batch, 4]).astype(np.int32),
    }
    labels = rows.integers(0, 5, size=[steps * batch])

    weights = {}
    for kind in kinds:
        for name in optimizers:
            keras.utils.set_random_seed(7)
            with scope():
                model = keras.Sequential(build(kind))
                optimizer = (
                    keras.optimizers.SGD(0.1, momentum=0.9)
                    if name == "sgd"
                    else keras.optimizers.Adam(0.003, epsilon=1e-4)
                )
                loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
                model.compile(optimizer, loss)
            data = tf.data.Dataset.from_tensor_slices((inputs[kind], labels)).batch(batch)
            history = model.fit(data, epochs=1, verbose=0)
            for variable in model.weights:
                weights[f"{kind} {name} {variable.path}"] = variable.numpy()
            weights[f"{kind} {name} loss"] = np.asarray(history.history["loss"])
    np.savez(f"{folder}/{'ddl' if with_strategy else 'single'}.{rank}.npz", **weights)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    run_workers(train, 1, args=(str(folder), KINDS, OPTIMIZERS, STEPS, BATCH, False), timeout=200)
    return dict(np.load(folder / "single.0.npz"))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_weights_are_those_of_one_process(size, single, tmp_path):
    run_workers(
        train, size, args=(str(tmp_path), KINDS, OPTIMIZERS, STEPS, BATCH, True), timeout=250
    )
    ranks = [dict(np.load(tmp_path / f"ddl.{rank}.npz")) for rank in range(size)]
    assert len(single) == 2 * (7 + 5 + 4)
    for name, expected in single.items():
        for rank in range(1, size):
            np.testing.assert_array_equal(ranks[rank][name], ranks[0][name], err_msg=name)
        difference = np.abs(ranks[0][name] - expected).max() / np.abs(expected).max()
        assert difference <= (0 if size == 1 else 1e-5), f"{name}: {difference}"
