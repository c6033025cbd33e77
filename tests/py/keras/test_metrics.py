"""Metrics and logs: global, equal on all ranks, shown once."""

import json

import pytest
from harness import run_ddlrun, run_workers

ROWS = 33  # in batches of 8: of the last row rank 1 has nothing


def report(folder, rows, with_strategy):
    import contextlib
    import json

    import keras
    import numpy as np
    import tensorflow as tf

    rank, scope = 0, contextlib.nullcontext
    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
        rank, scope = strategy.rank, strategy.scope

    data = np.random.default_rng(0)
    x = data.normal(size=[rows, 5]).astype(np.float32)
    label = (x.sum(axis=1) + data.normal(size=rows) > 0).astype(np.float32)[:, None]
    number = (x[:, :1] * 2 + 1 + 0.1 * data.normal(size=[rows, 1])).astype(np.float32)
    kind = data.integers(0, 4, size=rows)

    class Spread(keras.metrics.Metric):
        """The variance of the predictions: a metric of the user's own, from three sums."""

        def __init__(self, name="spread", **kwargs):
            super().__init__(name=name, **kwargs)
            self.sums = self.add_weight(shape=(2,), initializer="zeros", name="sums")
            self.count = self.add_weight(shape=(), initializer="zeros", name="count")

        def update_state(self, y_true, y_pred, sample_weight=None):
            y_pred = tf.cast(y_pred, tf.float32)
            self.sums.assign_add([tf.reduce_sum(y_pred), tf.reduce_sum(y_pred**2)])
            self.count.assign_add(tf.cast(tf.size(y_pred), tf.float32))

        def result(self):
            mean = self.sums[0] / self.count
            return self.sums[1] / self.count - mean**2

    results = {}

    def kept(history):
        return {key: [float(v) for v in values] for key, values in history.history.items()}

    keras.utils.set_random_seed(5)
    with scope():
        features = keras.Input([5])
        hidden = keras.layers.Dense(8, activation="tanh")(features)
        outputs = {
            "label": keras.layers.Dense(1, activation="sigmoid")(hidden),
            "number": keras.layers.Dense(1)(hidden),
            "kind": keras.layers.Dense(4, activation="softmax")(hidden),
        }
        model = keras.Model(features, outputs)
        metrics = keras.metrics
        model.compile(
            keras.optimizers.SGD(0.05),
            {
                "label": "binary_crossentropy",
                "number": "mse",
                "kind": "sparse_categorical_crossentropy",
            },
            metrics={
                "label": [
                    "accuracy",
                    metrics.AUC(name="auc"),
                    metrics.AUC(curve="PR", name="pr"),
                    metrics.F1Score(threshold=0.5, average="micro", name="f1"),
                    metrics.Precision(name="precision"),
                    metrics.Recall(name="recall"),
                    metrics.MeanIoU(num_classes=2, name="no_iou"),
                    metrics.BinaryIoU(target_class_ids=[0, 1], name="iou"),
                    metrics.SpecificityAtSensitivity(0.5, name="sas"),
                ],
                "number": [
                    "mae",
                    metrics.RootMeanSquaredError(name="rmse"),
                    metrics.R2Score(name="r2"),
                    metrics.MeanAbsolutePercentageError(name="mape"),
                    metrics.CosineSimilarity(name="cos"),
                    metrics.LogCoshError(name="logcosh"),
                    Spread(),
                ],
                "kind": [
                    "accuracy",
                    metrics.SparseTopKCategoricalAccuracy(k=2, name="top2"),
                    metrics.MeanIoU(num_classes=4, sparse_y_pred=False, name="miou"),
                    metrics.SparseCategoricalCrossentropy(name="xent"),
                ],
            },
            weighted_metrics={"label": ["accuracy", metrics.AUC(name="wauc")]},
        )
    y = {"label": label, "number": number, "kind": kind}
    history = model.fit(
        x,
        y,
        batch_size=8,
        epochs=3,
        verbose=0,
        sample_weight=np.linspace(0.1, 2, rows).astype(np.float32),
        validation_data=(x[:-2], {name: values[:-2] for name, values in y.items()}),
    )
    results["history"] = kept(history)
    evaluated = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    results["evaluate"] = {key: float(value) for key, value in evaluated.items()}
    again = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    left_over = {key: (evaluated[key], again[key]) for key in again if again[key] != evaluated[key]}
    assert not left_over, left_over

    # --- A train step of the user's own that makes its logs itself: no metric of that name.
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, features):
            return self.dense(features)

        def train_step(self, batch):
            features, wanted = batch
            with tf.GradientTape() as tape:
                error = self(features, training=True) - wanted
                loss = tf.reduce_mean(error**2)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
            return {"own_loss": loss, "bias": tf.reduce_mean(error)}

        def test_step(self, batch):
            features, wanted = batch
            return {"own_loss": tf.reduce_mean((self(features) - wanted) ** 2)}

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            results.setdefault("epoch logs", []).append({k: float(v) for k, v in logs.items()})

    with scope():
        model = Own()
        model.compile(keras.optimizers.SGD(0.05))
    model.build([None, 5])
    model.set_weights([0.1 * np.ones(w.shape, np.float32) for w in model.get_weights()])
    stop = keras.callbacks.EarlyStopping("own_loss", patience=0, min_delta=0.2, mode="min")
    history = model.fit(
        x,
        number,
        batch_size=8,
        epochs=6,
        verbose=0,
        shuffle=False,
        validation_data=(x[:12], number[:12]),
        callbacks=[stop, Keep()],
    )
    results["own history"] = kept(history)
    with open(f"{folder}/{'ddl' if with_strategy else 'single'}.{rank}.json", "w") as file:
        json.dump(results, file)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of a single process without a strategy, of two ranks."""
    folder = tmp_path_factory.mktemp("metrics")
    run_workers(report, 1, args=(str(folder), ROWS, False), timeout=120)
    run_workers(report, 2, args=(str(folder), ROWS, True), timeout=150)
    names = ["single.0", "ddl.0", "ddl.1"]
    return [json.loads((folder / f"{name}.json").read_text()) for name in names]


METRICS = {
    "label": "accuracy auc pr f1 precision recall no_iou iou sas wauc loss",
    "number": "mae rmse r2 mape cos logcosh spread loss",
    "kind": "accuracy top2 miou xent loss",
}


@pytest.mark.parametrize(
    "name", [f"{output}_{name}" for output, names in METRICS.items() for name in names.split()]
)
def test_metrics_are_global(results, name):
    single, *ranks = results
    for rank in ranks:
        assert rank["history"][name] == ranks[0]["history"][name]
        assert rank["evaluate"][name] == ranks[0]["evaluate"][name]
        for key in (name, f"val_{name}"):
            assert rank["history"][key] == pytest.approx(single["history"][key], rel=1e-4), key
        assert rank["evaluate"][name] == pytest.approx(single["evaluate"][name], rel=1e-4)


def test_nothing_else_is_reported(results):
    single, *ranks = results
    for rank in ranks:
        assert rank["history"].keys() == single["history"].keys()
        assert rank["history"]["loss"] == pytest.approx(single["history"]["loss"], rel=1e-4)


def test_logs_of_the_users_own_are_global(results):
    single, *ranks = results
    for rank in ranks:
        assert rank["own history"] == ranks[0]["own history"]
        assert rank["epoch logs"] == ranks[0]["epoch logs"]
        assert rank["own history"].keys() == single["own history"].keys()
        for key, values in single["own history"].items():
            assert rank["own history"][key] == pytest.approx(values, rel=1e-4, abs=1e-6), key
    assert 1 < len(single["own history"]["own_loss"]) < 6


def test_the_progress_bar_is_shown_once(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import keras, numpy as np, tf_ddl\n"
        "strategy = tf_ddl.DDLStrategy()\n"
        "with strategy.scope():\n"
        "    model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(1)])\n"
        "    model.compile('sgd', 'mse')\n"
        "x = np.ones([16, 2], np.float32)\n"
        "model.fit(x, x[:, :1], batch_size=4, epochs=3, verbose=2, validation_data=(x, x[:, :1]))\n"
    )
    done = run_ddlrun("-np", "2", str(script), timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [line for line in (done.stdout + done.stderr).splitlines() if "Epoch " in line]
    assert len(shown) == 3, done.stdout
    assert sum("4/4 -" in line for line in done.stdout.splitlines()) == 3, done.stdout
