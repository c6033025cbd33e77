"""Callbacks: files once and whole, common decisions, and an error where one rank acts alone."""

import json
import re

import pytest
from harness import run_workers
from time_limits import limit


def fit(folder, with_strategy):
    import contextlib
    import glob
    import json
    import os

    import keras
    import numpy as np
    import tensorflow as tf

    rank, scope, strategy = 0, contextlib.nullcontext, None
    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy(tf_ddl.Options(check_replicas_every=0))
        rank, scope = strategy.rank, strategy.scope
    folder = f"{folder}/{'ddl' if with_strategy else 'single'}"
    os.makedirs(folder, exist_ok=True)
    data = np.random.default_rng(0)
    x = data.normal(size=[20, 4]).astype(np.float32)
    y = (x @ np.ones([4, 1]) + 0.1 * data.normal(size=[20, 1])).astype(np.float32)
    results = {}

    def build():
        keras.utils.set_random_seed(3)
        with scope():
            model = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(1)])
            model.compile(keras.optimizers.SGD(0.05, momentum=0.5), "mse", metrics=["mae"])
        return model

    def fit(name, callbacks, model=None, data=(x, y), **arguments):
        model = model or build()
        arguments = {"batch_size": 5, "epochs": 3, "shuffle": False, "verbose": 0} | arguments
        history = model.fit(*data, callbacks=callbacks, **arguments)
        results[name] = {
            "history": {key: [float(v) for v in values] for key, values in history.history.items()},
            "epochs": history.epoch,
            "weights": [w.tolist() for w in model.get_weights()],
        }
        return model

    # Every write of a file with weights by this rank.
    saved = []
    original = keras.src.saving.saving_lib.H5IOStore

    class Counting(original):
        def __init__(self, *args, mode="r", **kwargs):
            if mode == "w":
                saved.append(1)
            super().__init__(*args, mode=mode, **kwargs)

    keras.src.saving.saving_lib.H5IOStore = Counting

    # --- ModelCheckpoint, CSVLogger, TensorBoard.
    best = keras.callbacks.ModelCheckpoint(
        f"{folder}/best.weights.h5", monitor="mae", save_best_only=True, save_weights_only=True
    )
    fit(
        "files",
        [
            best,
            keras.callbacks.ModelCheckpoint(f"{folder}/epoch.{{epoch}}.keras"),
            keras.callbacks.ModelCheckpoint(
                f"{folder}/batch.weights.h5", save_weights_only=True, save_freq=3
            ),
            keras.callbacks.CSVLogger(f"{folder}/log.csv"),
            keras.callbacks.TensorBoard(f"{folder}/board", histogram_freq=1, write_graph=False),
        ],
        validation_data=(x[:7], y[:7]),
    )
    # Each rank finds the files, whole, when fit has returned.
    loaded = keras.models.load_model(f"{folder}/epoch.3.keras")
    results["files"]["loaded"] = [w.tolist() for w in loaded.get_weights()]
    model = build()
    model.load_weights(f"{folder}/best.weights.h5")
    results["files"]["best"] = [w.tolist() for w in model.get_weights()]
    results["files"]["best value"] = float(best.best)
    results["files"]["writes"] = len(saved)
    results["files"]["names"] = sorted(os.listdir(folder))
    results["files"]["events"] = len(glob.glob(f"{folder}/board/*/events*"))

    # --- Decisions.
    fit("EarlyStopping", [keras.callbacks.EarlyStopping("mae", patience=0, min_delta=1.3)])
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=10.0)
    model = fit("ReduceLROnPlateau", [plateau], epochs=4)
    results["ReduceLROnPlateau"]["rate"] = float(model.optimizer.learning_rate.numpy())
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    fit("LearningRateScheduler", [schedule])

    # A row of the second batch is NaN, and lies on the last rank: all stop after that batch.
    nan_y = y.copy()
    nan_y[9] = np.nan
    batches = []
    counting = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append(batch)
    )
    nan = keras.callbacks.TerminateOnNaN()
    fit("TerminateOnNaN", [nan, counting], data=(x, nan_y))
    results["TerminateOnNaN"]["batches"] = list(batches)

    class OwnClock(keras.callbacks.Callback):
        """Ends fit, evaluate and predict, on the last rank."""

        def _is_last(self):
            return strategy is None or rank == strategy.size - 1

        def on_train_batch_end(self, batch, logs=None):
            if self._is_last() and batch == 1:
                self.model.stop_training = True

        def on_test_batch_end(self, batch, logs=None):
            self.model.stop_evaluating = self._is_last() and batch == 1

        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = self._is_last() and batch == 1

    model = fit("stopped by one rank", [OwnClock()])
    results["stopped by one rank"]["evaluate"] = model.evaluate(
        x, y, batch_size=5, verbose=0, callbacks=[OwnClock()]
    )
    predicted = model.predict(x, batch_size=5, verbose=0, callbacks=[OwnClock()])
    results["stopped by one rank"]["predicted"] = predicted.shape

    class AtEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1 and (strategy is None or rank == 0):
                self.model.stop_training = True

    # A callback that only rank 0 was given.
    fit("rank 0's callback", [AtEnd()] if rank == 0 else [])

    # --- Reading and writing weights, and whole loops, in callbacks.
    read = []

    def halve(epoch, logs):
        model = lambda_model
        read.append([float(np.abs(w).sum()) for w in model.get_weights()])
        model.set_weights([w * 0.5 for w in model.get_weights()])
        read.append(model.evaluate(x, y, batch_size=5, verbose=0))
        read.append(float(model.predict(x, batch_size=5, verbose=0).sum()))

    lambda_model = build()
    fit("weights", [keras.callbacks.LambdaCallback(on_epoch_end=halve)], model=lambda_model)
    results["weights"]["read"] = read

    # --- BackupAndRestore: interrupted in the third epoch, gone on with.
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    backup = f"{folder}/backup"
    with contextlib.suppress(KeyboardInterrupt):
        fit("interrupted", [keras.callbacks.BackupAndRestore(backup), Interrupt()], epochs=4)
    if strategy is not None:
        strategy.reduce("SUM", tf.constant(0.0), axis=None)  # both are here
    results["backup"] = sorted(os.listdir(backup))
    model = build()
    if rank > 0:  # what this rank has, or sees of the files, does not matter
        model.set_weights([w + 1 for w in model.get_weights()])
    fit("restored", [keras.callbacks.BackupAndRestore(backup)], model=model, epochs=4)
    fit("after restoring", [keras.callbacks.BackupAndRestore(backup)], epochs=4)
    results["backup is there"] = os.path.exists(backup)
    fit(
        "back up twice",
        [
            keras.callbacks.BackupAndRestore(
                backup, save_freq=2, double_checkpoint=True, delete_checkpoint=False
            )
        ],
    )
    results["two backups"] = sorted(os.listdir(backup))

    if strategy is not None:
        # --- A rank that writes other weights, or another learning rate.
        def refused(name, callback):
            try:
                fit(name, [callback])
                results[name] = "accepted"
            except tf.errors.InvalidArgumentError as error:
                results[name] = error.message

        class Drift(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                kernel = self.model.layers[0].kernel
                kernel.assign(kernel + 1.0 * rank)

        refused("drift", Drift())
        rates = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (1 + rank))
        refused("rates", rates)
    with open(f"{folder}.{rank}.json", "w") as file:
        json.dump(results, file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("callbacks")


@pytest.fixture(scope="module")
def results(folder):
    """Of a single process without a strategy, of two ranks."""
    run_workers(fit, 1, args=(str(folder), False), timeout=120)
    run_workers(fit, 2, args=(str(folder), True), timeout=200)
    names = ["single.0", "ddl.0", "ddl.1"]
    return [json.loads((folder / f"{name}.json").read_text()) for name in names]


def same(results, name):
    """What a fit of each of the three gave: ranks equal, and as the single process."""
    single, *ranks = [result[name] for result in results]
    for rank in ranks:
        for what in ("history", "weights"):  # as text: a NaN equals a NaN
            assert json.dumps(rank[what]) == json.dumps(ranks[0][what]), name
        assert rank["epochs"] == single["epochs"], name
        assert rank["history"].keys() == single["history"].keys()
        for key, values in single["history"].items():
            assert rank["history"][key] == pytest.approx(values, rel=1e-4, nan_ok=True), (name, key)
        for got, expected in zip(rank["weights"], single["weights"]):
            for row, wanted in zip(got, expected):
                assert row == pytest.approx(wanted, rel=1e-4, abs=1e-5, nan_ok=True), name
    return single, *ranks


def test_files_are_written_once_and_whole(results):
    single, *ranks = same(results, "files")
    names = ["batch.weights.h5", "best.weights.h5", "board", "epoch.1.keras", "epoch.2.keras"]
    names += ["epoch.3.keras", "log.csv"]
    assert [rank["writes"] for rank in ranks] == [single["writes"], 0]
    for rank in ranks:
        assert rank["names"] == single["names"] == names
        assert rank["events"] == single["events"] == 2
        assert rank["loaded"] == rank["weights"]
        assert rank["best"] == ranks[0]["best"]
        assert rank["best value"] == ranks[0]["best value"]
        assert rank["best value"] == pytest.approx(single["best value"], rel=1e-5)


def test_logs_are_written_once(results, folder):
    logs = []
    for name in ("single", "ddl"):
        lines = (folder / name / "log.csv").read_text().splitlines()
        logs.append([line.split(",") for line in lines])
    assert logs[1][0] == logs[0][0] and len(logs[1]) == len(logs[0]) == 4
    for got, expected in zip(logs[1][1:], logs[0][1:]):
        assert [float(v) for v in got] == pytest.approx([float(v) for v in expected], rel=1e-5)
    history = results[1]["files"]["history"]
    column = logs[1][0].index("loss")
    assert [float(line[column]) for line in logs[1][1:]] == pytest.approx(history["loss"])


@pytest.mark.parametrize(
    "name", ["EarlyStopping", "ReduceLROnPlateau", "LearningRateScheduler", "TerminateOnNaN"]
)
def test_decisions_are_those_of_one_process(results, name):
    single, *ranks = same(results, name)
    for rank in ranks:
        for what in ("rate", "batches"):
            if what in single:
                assert rank[what] == pytest.approx(single[what])
    if name == "EarlyStopping":
        assert single["epochs"] == [0, 1]
    if name == "TerminateOnNaN":
        assert single["batches"] == [0, 1]


def test_what_one_rank_decides_is_decided_for_all(results):
    single, *ranks = same(results, "stopped by one rank")
    for rank in ranks:
        assert rank["predicted"] == single["predicted"] == [10, 1]
        assert rank["evaluate"] == pytest.approx(single["evaluate"], rel=1e-5)
    single, *_ = same(results, "rank 0's callback")
    assert single["epochs"] == [0, 1]


def test_callbacks_read_and_write_weights_and_evaluate(results):
    single, *ranks = same(results, "weights")
    for rank in ranks:
        assert rank["read"] == ranks[0]["read"] and len(rank["read"]) == 9
        for got, expected in zip(rank["read"], single["read"]):
            assert got == pytest.approx(expected, rel=1e-4)


def test_training_goes_on_from_a_backup(results):
    assert results[0]["backup"] == results[1]["backup"] == results[2]["backup"]
    assert results[1]["backup"] == ["latest.weights.h5", "training_metadata.json"]
    single, *_ = same(results, "restored")
    assert single["epochs"] == [2, 3]
    single, *_ = same(results, "after restoring")
    assert single["epochs"] == [0, 1, 2, 3]
    assert [result["backup is there"] for result in results] == [False] * 3
    same(results, "back up twice")
    assert results[1]["two backups"] == results[0]["two backups"]


def test_weights_and_rates_that_differ_are_named(results):
    for result in results[1:]:
        message = result["drift"]
        assert "drifted apart: on rank 0 and rank 1" in message
        assert "sequential" in message and "kernel" in message
        assert "callback's on_epoch_end" in message
        assert "drifted apart: on rank 0 and rank 1" in result["rates"]
        assert "learning_rate" in result["rates"]
        assert "callback's on_epoch_begin" in result["rates"]


def acts_alone(what):
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    x = np.ones([12, 2], np.float32)
    total = tf.function(lambda: strategy.reduce("SUM", tf.constant(1.0), axis=None))

    class Alone(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if strategy.rank == 1 and what == "reduce":
                strategy.reduce("SUM", tf.constant(1.0), axis=None)
            if strategy.rank == 0 and what == "predict":
                self.model.predict(x[:2], verbose=0)
            if strategy.rank == 1 and what == "metric":
                self.model.metrics[0].result()
            if what == "function":  # on both ranks, with a loop between, then once more on one
                assert total() == 2.0
                self.model.evaluate(x, x[:, :1], verbose=0)
                if strategy.rank == 1:
                    total()

        def on_train_batch_end(self, batch, logs=None):
            if strategy.rank == 1 and what == "gather":
                strategy.gather(tf.constant([1.0]), axis=0)

    with strategy.scope():
        model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    model.fit(x, x[:, :1], batch_size=4, verbose=0, callbacks=[Alone()])


@pytest.mark.timed
@pytest.mark.parametrize(
    "what, who, where",
    [
        ("reduce", 1, "all_reduce of .* in Alone.on_epoch_end"),
        ("predict", 0, "distributed a dataset in Alone.on_epoch_end"),
        ("metric", 1, "all_reduce of .* in Alone.on_epoch_end"),
        ("gather", 1, "all_gather of .* in Alone.on_train_batch_end"),
        ("function", 1, "all_reduce of .* in a tf.function in Alone.on_epoch_end"),
    ],
)
def test_a_collective_on_one_rank_only_is_named(what, who, where):
    env = {"DDL_TIMEOUT": "60", "DDL_STALL_WARNING": "30"}
    results = run_workers(acts_alone, 2, args=(what,), env=env, timeout=60, expect_failure=True)
    for result in results:
        message = result.stderr.splitlines()[-1]
        assert re.search(f"rank {who} {where}", message), result.stderr
        assert f"rank {1 - who} ended its callbacks' on_" in message, result.stderr
        assert result.seconds < limit(15)  # nobody waited in vain, as for DDL_STALL_WARNING
