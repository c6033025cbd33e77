"""The page on large batches: its recipe runs, and does on two workers what it does on one."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
from harness import run_workers

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "large_batch.md"


def recipe():
    """The page's program."""
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", PAGE.read_text())
    (block,) = [one for one in blocks if "import tf_ddl\n" in one]
    return block


AFTER = """
import json

# The page's model: equal on all workers, and at the rates that the page promises.
strategy.check(model)
iterations = int(model.optimizer.iterations.numpy())
rates = [float(schedule(step)) for step in range(iterations)]

# One whose statistics do not depend on the rows per worker, with its decay: equal results.
keras.utils.set_random_seed(3)
with strategy.scope():
    plain = keras.Sequential(
        [
            keras.layers.Input([8, 8, 1]),
            keras.layers.Flatten(),
            keras.layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(L2 * 100)),
            keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(L2 * 100)),
        ]
    )
    plain.compile(
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
losses = plain.fit(images, labels, batch_size=BATCH, epochs=3, verbose=0).history["loss"]
with strategy.scope():
    warm = keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(1)])
    warm.compile(keras.optimizers.SGD(tf_ddl.keras.scaled_learning_rate(0.1, 64, 16, 5)), "mse")
plain.save(FOLDER + "/schedule.keras")
warm.save(FOLDER + "/number.keras")
if strategy.rank == 0:
    print("RESULT", json.dumps({
        "iterations": iterations,
        "rates": rates,
        "history": history.history,
        "losses": losses,
        "weights": [weight.tolist() for weight in plain.get_weights()],
    }))
"""


def run(size, folder):
    script = f"FOLDER = {str(folder)!r}\nimport keras\nkeras.utils.set_random_seed(7)\n"
    results = run_workers(script + recipe() + AFTER, size, timeout=120)
    (line,) = [one for one in results[0].stdout.splitlines() if one.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large_batch")
    return {size: run(size, folder) for size in (1, 2)}, folder


def test_the_recipe_trains(results):
    for result in results[0].values():
        assert result["iterations"] == 24
        assert result["history"]["loss"][-1] < 0.75 * result["history"]["loss"][0]
        assert result["history"]["accuracy"][-1] > 0.7


def test_rates_are_the_same_on_any_number_of_workers(results):
    one, two = (results[0][size]["rates"] for size in (1, 2))
    assert one == two
    # 8 steps of warmup from 0.05 to 0.2; a tenth after step 16, a hundredth after step 20.
    wanted = [0.05 + 0.15 * min(step / 8, 1.0) for step in range(17)] + [0.02] * 4 + [0.002] * 3
    assert one == pytest.approx(wanted, rel=1e-5)


def test_two_workers_train_like_one(results):
    one, two = (results[0][size] for size in (1, 2))
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    for a, b in zip(one["weights"], two["weights"]):
        assert _flat(b) == pytest.approx(_flat(a), rel=1e-3, abs=1e-5)


def _flat(value):
    return [x for part in value for x in _flat(part)] if isinstance(value, list) else [value]


WITHOUT_TF_DDL = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tf_ddl":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
import keras
import numpy as np

folder = sys.argv[1]
model = keras.models.load_model(folder + "/number.keras")
assert model.predict(np.ones([2, 3]), verbose=0).shape == (2, 1)
rates = [float(model.optimizer._learning_rate(step)) for step in (0, 5, 9)]
np.testing.assert_allclose(rates, [0.1, 0.4, 0.4], rtol=1e-6)
model = keras.models.load_model(folder + "/schedule.keras", compile=False)
assert model.predict(np.ones([2, 8, 8, 1]), verbose=0).shape == (2, 2)
try:
    keras.models.load_model(folder + "/schedule.keras")
except TypeError as error:
    assert "LinearScaling" in str(error) and "tf_ddl" in str(error), error
else:
    raise AssertionError("a class that nobody knows was found")
"""


def test_models_load_without_tf_ddl(results):
    command = [sys.executable, "-c", WITHOUT_TF_DDL, str(results[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
