"""A trained model leaves: files for processes without tf_ddl, and for other numbers of workers."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from harness import run_workers

ROWS = 24


def train(folder, rows):
    import os

    import keras
    import numpy as np
    import tensorflow as tf

    import tf_ddl

    strategy = tf_ddl.DDLStrategy()
    keras.utils.set_random_seed(4)
    data = np.random.default_rng(0)
    x = data.normal(size=[rows, 6, 6, 1]).astype(np.float32)
    y = data.integers(0, 3, size=rows)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.layers.Input([6, 6, 1], name="image"),
                keras.layers.Conv2D(4, 3),
                keras.layers.BatchNormalization(synchronized=True),
                keras.layers.ReLU(),
                keras.layers.Flatten(),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    predicted = model.predict(x, verbose=0)
    # Every rank saves to the same paths, as unchanged code does.
    model.save(f"{folder}/model.keras")
    model.save_weights(f"{folder}/model.weights.h5")
    for _ in range(5):
        model.save_weights(f"{folder}/sharded.weights.json", max_shard_size=1e-6)
        model.load_weights(f"{folder}/sharded.weights.json")
    model.export(f"{folder}/exported", verbose=False)
    if strategy.rank == 0:
        with open(f"{folder}/model.json", "w") as file:
            file.write(model.to_json())
        np.savez(f"{folder}/expected.npz", x=x, y=y, predicted=predicted)
    # A rank may save alone, too.
    if strategy.rank == 1:
        model.save(f"{folder}/alone.keras")
        model.export(f"{folder}/exported alone", verbose=False)
    # Every rank writes to one path and reads from it at once, while others still write.
    for _ in range(5):
        model.export(f"{folder}/exported", verbose=False)
        loaded = tf.saved_model.load(f"{folder}/exported")
        np.testing.assert_allclose(loaded.serve(x), predicted, rtol=1e-5, atol=1e-5)
        checkpoint = tf.train.Checkpoint(model=model)
        checkpoint.read(checkpoint.write(f"{folder}/checkpoint")).assert_consumed()
    # All ranks keep the last two, and remove those before at the same time.
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(model=model), f"{folder}/managed", max_to_keep=2
    )
    for _ in range(8):
        manager.save()
    strategy.reduce("SUM", tf.constant(0.0), axis=None)
    kept = [
        f"ckpt-{number}{end}" for number in (7, 8) for end in (".data-00000-of-00001", ".index")
    ]
    assert sorted(os.listdir(f"{folder}/managed")) == ["checkpoint", *kept]
    assert manager.latest_checkpoint == tf.train.latest_checkpoint(f"{folder}/managed")
    tf.train.Checkpoint(model=model).restore(manager.latest_checkpoint).assert_consumed()
    # Last, since Keras forgets how the optimizer was made once it has written a legacy file.
    model.save(f"{folder}/model.h5")
    converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    if strategy.rank == 0:
        with open(f"{folder}/model.tflite", "wb") as file:
            file.write(converted)
    again = keras.models.load_model(f"{folder}/model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), predicted)


LOADING = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tf_ddl":
            raise ImportError("a process that never heard of it")

sys.meta_path.insert(0, Missing())
import keras, numpy as np, tensorflow as tf

folder = sys.argv[1]
known = np.load(folder + "/expected.npz")
x, expected = known["x"], known["predicted"]

def check(predicted, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(predicted), expected, rtol=tolerance, atol=tolerance)

for name in ("model.keras", "model.h5", "alone.keras"):
    model = keras.models.load_model(f"{folder}/{name}")
    check(model.predict(x, verbose=0))
    if name.endswith(".keras"):  # Keras' optimizers do not go on from its legacy files
        model.fit(x, known["y"], verbose=0)
        assert int(model.optimizer.iterations) == 7, int(model.optimizer.iterations)
model = keras.models.model_from_json(open(f"{folder}/model.json").read())
for name in ("model.weights.h5", "sharded.weights.json"):
    for weight in model.weights:
        weight.assign(0 * weight)
    model.load_weights(f"{folder}/{name}")
    check(model.predict(x, verbose=0))
for name in ("exported", "exported alone"):
    loaded = tf.saved_model.load(f"{folder}/{name}")
    check(loaded.serve(x))
    check(keras.layers.TFSMLayer(f"{folder}/{name}", call_endpoint="serve")(x))
    (output,) = loaded.signatures["serving_default"](tf.constant(x)).values()
    check(output)
lite = tf.lite.Interpreter(model_path=f"{folder}/model.tflite")
lite.resize_tensor_input(lite.get_input_details()[0]["index"], x.shape)
lite.allocate_tensors()
lite.set_tensor(lite.get_input_details()[0]["index"], x)
lite.invoke()
check(lite.get_tensor(lite.get_output_details()[0]["index"]), 1e-4)
assert "tf_ddl" not in sys.modules
print("all loaded")
"""


def test_a_process_without_tf_ddl_loads_and_predicts(tmp_path):
    run_workers(train, 2, args=(str(tmp_path), ROWS), timeout=150)
    script = tmp_path / "load.py"
    script.write_text(LOADING)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert "all loaded" in done.stdout, done.stderr[-4000:]
    for path in pathlib.Path(tmp_path).rglob("*"):
        assert not path.name.startswith("."), path  # parts of files that somebody left
        if path.is_file() and path.suffix in (".pb", ".json", ".keras"):
            assert b"tf_ddl" not in path.read_bytes() and b"Ddl" not in path.read_bytes(), path


def go_on(folder, steps, with_strategy):
    """Trains three epochs, one per call of this program, each from the files of the one before."""
    import contextlib
    import json
    import os

    import keras
    import numpy as np
    import tensorflow as tf

    scope, rank = contextlib.nullcontext, 0
    if with_strategy:
        import tf_ddl

        strategy = tf_ddl.DDLStrategy()
        scope, rank = strategy.scope, strategy.rank
    data = np.random.default_rng(1)
    x = data.normal(size=[20, 5]).astype(np.float32)
    y = data.normal(size=[20, 1]).astype(np.float32)
    losses = {}
    for kind in ("keras", "weights", "checkpoint", "backup"):
        for step in steps:
            keras.utils.set_random_seed(6)
            path = f"{folder}/{kind}"
            loaded = kind == "keras" and step > 0
            with scope():
                if loaded:
                    model = keras.models.load_model(f"{path}.keras")
                else:
                    model = keras.Sequential(
                        [
                            keras.layers.Input([5]),
                            keras.layers.Dense(8, activation="tanh"),
                            keras.layers.BatchNormalization(synchronized=True),
                            keras.layers.Dense(1),
                        ]
                    )
                    model.compile(keras.optimizers.Adam(0.02, epsilon=1e-3), "mse", metrics=["mae"])
                    model.optimizer.build(model.trainable_variables)
                checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
            callbacks, epochs = [], step + 1
            if kind == "weights" and step:
                model.load_weights(f"{path}.weights.h5")
            if kind == "checkpoint" and step:
                checkpoint.restore(tf.train.latest_checkpoint(path)).assert_consumed()
            if kind == "backup":  # keeps its files
                callbacks = [keras.callbacks.BackupAndRestore(path, delete_checkpoint=False)]
            history = model.fit(
                x,
                y,
                batch_size=6,
                initial_epoch=0 if kind == "backup" else step,
                epochs=epochs,
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
            assert history.epoch == [step], (kind, step, history.epoch)
            losses[f"{kind} {step}"] = history.history["loss"] + history.history["mae"]
            losses[f"{kind} {step} iterations"] = [int(model.optimizer.iterations.numpy())]
            model.save(f"{path}.keras")
            model.save_weights(f"{path}.weights.h5")
            if rank == 0:
                checkpoint.save(f"{path}/checkpoint")
            if with_strategy:
                strategy.reduce("SUM", tf.constant(0.0), axis=None)  # rank 0 has saved
    with open(f"{folder}/{rank}.json", "w") as file:
        json.dump(losses, file)
    os.rename(f"{folder}/{rank}.json", f"{folder}/{rank}.{steps[0]}.losses")


def test_training_goes_on_under_another_number_of_workers(tmp_path):
    single, several = tmp_path / "single", tmp_path / "several"
    single.mkdir()
    several.mkdir()
    run_workers(go_on, 1, args=(str(single), [0, 1, 2], False), timeout=120)
    expected = json.loads((single / "0.0.losses").read_text())
    got = {}
    for step, size in enumerate((3, 1, 2)):
        run_workers(go_on, size, args=(str(several), [step], True), timeout=150)
        ranks = [json.loads((several / f"{r}.{step}.losses").read_text()) for r in range(size)]
        assert all(rank == ranks[0] for rank in ranks)
        got |= ranks[0]
    assert got.keys() == expected.keys()
    for name, losses in expected.items():
        np.testing.assert_allclose(got[name], losses, rtol=1e-3, err_msg=name)


@pytest.mark.parametrize("missing", ["tf_ddl"])
def test_the_loading_script_would_notice(tmp_path, missing):
    """The import hook of LOADING works, or the test above would show nothing."""
    script = LOADING.partition("import keras")[0] + f"import {missing}\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode != 0 and "never heard of it" in done.stderr
