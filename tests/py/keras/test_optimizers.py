"""Optimizers update from the gradient of the global batch, whatever acts on it first."""

import numpy as np
import pytest
from alone_and_together import run_cases

RTOL, ATOL = 1e-9, 1e-12  # float64


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_cases("optimizer_cases", folder=tmp_path_factory.mktemp("optimizers"))


OPTIMIZERS = [
    *["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion"],
    *["Muon", "Nadam", "RMSprop", "SGD", "ScheduleFreeAdamW"],
]
SETTINGS = [
    *["plain", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema"],
    *["ema_overwrite_frequency", "gradient_accumulation_steps", "loss_scale_factor"],
]


def test_all_optimizers_of_keras_are_listed():
    import keras

    kinds = {
        name
        for name, kind in vars(keras.optimizers).items()
        if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)
    }
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    # Another Keras may have fewer; a new one has to be looked at.
    assert kinds - wrappers <= set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_with_decay_clipping_averaging_and_accumulation(results, name):
    if name not in results.alone:
        pytest.skip(f"this Keras has no {name}")
    results.check(name, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_each_setting(results, name, setting):
    results.check(f"{name} {setting}", rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize(
    "setting", ["plain", "clipnorm", "global_clipnorm", "gradient_accumulation_steps"]
)
def test_sparse_gradients(results, setting):
    results.check(f"sparse {setting}", rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize(
    "name",
    [
        *["LossScaleOptimizer", "LossScaleOptimizer accumulating", "MultiOptimizer"],
        *["schedule", "eager", "clipnorm eager", "apply_in_parts", "no rows at the update"],
        *["clips itself", "clips itself and applies again", "clips itself and accumulates"],
    ],
)
def test_wrappers_schedules_and_other_ways_to_apply(results, name):
    results.check(name, rtol=RTOL, atol=ATOL)


def test_accumulation_reduces_once_per_update(results):
    alone, ranks = results.outcome("reductions_per_update")
    for outcome in ranks:
        calls = {key: value for key, value in outcome.items() if "reductions" in key}
        assert calls == {
            "plain: reductions": 8,
            "accumulating: reductions": 2,
            "accumulating and clipping: reductions": 2,
            "accumulating in a loop: reductions": 2,
            "accumulating eagerly: reductions": 2,
            "clipping: reductions": 8,
            "scaled: reductions": 2,
        }
        for way, weights in outcome.items():
            if "reductions" not in way:
                for mine, expected in zip(weights, alone[way], strict=True):
                    np.testing.assert_allclose(mine, expected, rtol=RTOL, atol=ATOL)


def test_accumulation_sends_less(results):
    _, ranks = results.outcome("bytes_per_update")
    gradients = (6 * 5 + 5 + 5 * 2 + 2) * 8  # bytes of the model's gradients in float64
    for outcome in ranks:
        # Both also send a few numbers per step: metrics, checksums.
        assert outcome["plain"] - outcome["accumulating"] == 6 * gradients


def test_clipping_does_something_in_these_cases(results):
    results.check("clipping_differs_from_none", rtol=RTOL, atol=ATOL)
    first = results.alone["clipping_differs_from_none"]["first"]
    for i in range(len(first)):
        for j in range(i):
            assert np.abs(first[i] - first[j]).max() > 1e-4
