"""What Keras reports is about the whole data and the same on every rank."""

import json

import numpy as np
import pytest
from harness import run_workers

# (rows, global batch). 33 rows in batches of 16: in the last batch only rank 0 has a row.
CASES = [(64, 16), (33, 16), (50, 20)]


def fit_and_evaluate(folder, cases, with_strategy):
    import contextlib
    import json

    import keras
    import numpy as np

    rank, scope = 0, contextlib.nullcontext
    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
        rank, scope = strategy.rank, strategy.scope

    for rows, batch in cases:
        keras.utils.set_random_seed(3)
        data = np.random.default_rng(0)
        x = data.normal(size=[rows, 6, 6, 1]).astype(np.float32)
        y = {"kind": data.integers(0, 3, size=[rows]), "size": data.normal(size=[rows, 1])}
        with scope():
            pixels = keras.Input([6, 6, 1])
            hidden = keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(pixels))
            hidden = keras.layers.Dense(8, activation="tanh", kernel_regularizer="l2")(hidden)
            outputs = {"kind": keras.layers.Dense(3)(hidden), "size": keras.layers.Dense(1)(hidden)}
            model = keras.Model(pixels, outputs)
            model.compile(
                keras.optimizers.SGD(0.1, clipnorm=0.5),
                {
                    "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                    "size": "mse",
                },
                metrics={"kind": "accuracy"},
                weighted_metrics={"kind": "accuracy", "size": "mae"},
            )
        stopper = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=0.05)
        plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.1)
        logs = model.fit(
            x,
            y,
            batch_size=batch,
            epochs=4,
            verbose=0,
            shuffle=False,
            validation_data=(x[:-1], {name: values[:-1] for name, values in y.items()}),
            sample_weight=np.linspace(0.5, 1.5, rows),
            callbacks=[stopper, plateau],
        )
        result = {
            "history": {name: [float(v) for v in values] for name, values in logs.history.items()},
            "evaluate": model.evaluate(x, y, batch_size=batch, verbose=0),
            "learning rate": float(model.optimizer.learning_rate.numpy()),
            "finite": bool(all(np.isfinite(w).all() for w in model.get_weights())),
        }
        predicted = model.predict(x, batch_size=batch, verbose=0)
        np.save(f"{folder}/{rows}.{rank}.npy", predicted["kind"])
        with open(f"{folder}/{rows}.{rank}.json", "w") as file:
            json.dump(result, file)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    run_workers(fit_and_evaluate, 1, args=(str(folder), CASES, False), timeout=120)
    return folder


@pytest.mark.parametrize("size", [2, 3])
def test_logs_are_those_of_one_process(size, single, tmp_path):
    run_workers(fit_and_evaluate, size, args=(str(tmp_path), CASES, True), timeout=200)
    for rows, _ in CASES:
        expected = json.loads((single / f"{rows}.0.json").read_text())
        results = [json.loads((tmp_path / f"{rows}.{r}.json").read_text()) for r in range(size)]
        assert expected["finite"]
        for result in results:
            assert result == results[0]
            assert result["learning rate"] == expected["learning rate"]
            assert result["history"].keys() == expected["history"].keys()
            for name, values in expected["history"].items():
                assert result["history"][name] == pytest.approx(values, rel=5e-5), name
            assert result["evaluate"] == pytest.approx(expected["evaluate"], rel=5e-5)
        predicted = np.load(single / f"{rows}.0.npy")
        assert predicted.shape == (rows, 3)
        for rank in range(size):
            got = np.load(tmp_path / f"{rows}.{rank}.npy")
            np.testing.assert_allclose(got, predicted, rtol=1e-4, atol=1e-5)


def statistics_and_batches():
    import contextlib
    import io
    import os

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    engine = strategy.extended.engine

    def same_everywhere(arrays):
        for array in arrays:
            mine = tf.constant(np.asarray(array)[np.newaxis])
            everybodys = strategy.gather(mine, axis=0).numpy()
            np.testing.assert_array_equal(everybodys, np.broadcast_to(mine, everybodys.shape))

    # --- BatchNormalization, local and synchronized; the last batch has rows on rank 0 alone.
    x = np.random.default_rng(0).normal(size=[17, 4, 4, 3]).astype(np.float32)
    y = np.arange(17) % 2
    for synchronized in (False, True):
        with strategy.scope():
            model = keras.Sequential(
                [
                    keras.layers.Input([4, 4, 3]),
                    keras.layers.Conv2D(4, 3),
                    keras.layers.BatchNormalization(synchronized=synchronized),
                    keras.layers.Flatten(),
                    keras.layers.Dropout(0.3),
                    keras.layers.Dense(2),
                ]
            )
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile("adam", loss, metrics=["accuracy"])
        before = model.layers[1].moving_mean.numpy()
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        weights = model.get_weights()
        assert all(np.isfinite(w).all() for w in weights)
        assert not np.array_equal(model.layers[1].moving_mean.numpy(), before)
        same_everywhere(weights)
        same_everywhere([model.predict(x, verbose=0)])

    # --- Arrays given to the *_on_batch methods are this rank's rows.
    mine = x[engine.rank :: engine.size]
    labels = y[engine.rank :: engine.size]
    same_everywhere(model.get_weights())
    model.train_on_batch(mine, labels)
    same_everywhere(model.get_weights())
    model.test_on_batch(mine, labels)
    assert model.predict_on_batch(mine).shape[0] == len(mine)
    assert model.predict(x, verbose=0).shape[0] == len(x)
    assert model.predict_on_batch(mine).shape[0] == len(mine)

    # --- The progress bar is rank 0's.
    for verbose in (1, 2):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            model.fit(x, y, verbose=verbose)
            model.evaluate(x, y, verbose=verbose)
            model.predict(x, verbose=1)
        assert bool(printed.getvalue()) == (engine.rank == 0), printed.getvalue()
    os.environ["DDL_ALL_RANKS_VERBOSE"] = "1"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        model.evaluate(x, y, verbose=2)
    assert printed.getvalue()

    # --- Several outputs, a dict of inputs, steps_per_execution, eager.
    for eager, steps in ((False, 1), (False, 2), (True, 1)):
        with strategy.scope():
            a, b = keras.Input([3], name="a"), keras.Input([2], name="b")
            joined = keras.layers.Concatenate()([a, b])
            out = {"p": keras.layers.Dense(1)(joined), "q": keras.layers.Dense(4)(joined)}
            model = keras.Model({"a": a, "b": b}, out)
            model.compile(
                "sgd", {"p": "mse", "q": "mae"}, run_eagerly=eager, steps_per_execution=steps
            )
        inputs = {"a": x[:13, 0, 0, :3], "b": x[:13, 0, 0, :2]}
        targets = {"p": np.ones([13, 1], np.float32), "q": np.zeros([13, 4], np.float32)}
        model.fit(inputs, targets, batch_size=4, epochs=2, verbose=0)
        same_everywhere(model.get_weights())
        predicted = model.predict(inputs, batch_size=4, verbose=0)
        assert predicted["p"].shape == (13, 1) and predicted["q"].shape == (13, 4)
        same_everywhere(predicted.values())


@pytest.mark.parametrize("size", [2, 3])
def test_statistics_batches_and_structures(size):
    run_workers(statistics_and_batches, size, timeout=200)


def shuffles(seed):
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    if seed:
        keras.utils.set_random_seed(seed)
    epochs = []

    class Seen(keras.Sequential):
        def train_step(self, data):
            rows = tf.cast(data[0][:, 0], tf.int32)
            self.seen.assign(tf.pad(rows, [[0, 6 - tf.size(rows)]], constant_values=-1))
            return {"n": tf.constant(0.0)}

    class Keep(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append([])

        def on_train_batch_end(self, batch, logs=None):
            mine = strategy.gather(self.model.seen.read_value(), axis=0).numpy()
            epochs[-1] += [int(row) for row in mine if row >= 0]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return x[i * 5 : i * 5 + 5], y[i * 5 : i * 5 + 5]

    x = np.arange(20, dtype=np.float32)[:, np.newaxis]
    y = x.copy()
    with strategy.scope():
        model = Seen([keras.layers.Input([1]), keras.layers.Dense(1)])
        model.seen = tf.Variable(tf.zeros([6], tf.int32), trainable=False)
        model.compile("sgd", "mse")
    pipeline = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(20).batch(5)
    for what, given in (("arrays", (x, y)), ("pipeline", (pipeline,)), ("batches", (Batches(),))):
        epochs.clear()
        extra = {"batch_size": 5} if what == "arrays" else {"shuffle": True}
        model.fit(*given, epochs=3, verbose=0, callbacks=[Keep()], **extra)
        for epoch in epochs:
            assert sorted(epoch) == list(range(20)), (what, epoch)
        # Keras itself repeats the order of arrays when a seed is set.
        if what != "arrays" or not seed:
            assert epochs[0] != epochs[1] or epochs[1] != epochs[2], (what, epochs)


@pytest.mark.parametrize("seed", [None, 5])
def test_every_row_is_used_once_whatever_shuffles(seed):
    run_workers(shuffles, 2, args=(seed,), timeout=120)
