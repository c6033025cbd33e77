"""All kinds of models train as in a single process."""

import numpy as np
import pytest
from alone_and_together import run_cases

RTOL = 2e-5


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    modules = ("model_cases", "several_model_cases")
    return run_cases(*modules, folder=tmp_path_factory.mktemp("models"), timeout=400)


@pytest.mark.parametrize("name", ["several_inputs_and_outputs", "subclassed", "nested_models"])
def test_how_models_are_made(results, name):
    results.check(name, RTOL)


@pytest.mark.parametrize(
    "name",
    [
        *["embedding", "embedding_used_twice", "lstm", "gru_stacked_bidirectional"],
        *["simple_rnn_unrolled", "attention", "convolutions"],
    ],
)
def test_kinds_of_layers(results, name):
    # A bias whose gradient is zero but for rounding moves by little, in any direction.
    results.check(name, RTOL, atol=5e-6)


@pytest.mark.parametrize(
    "name", ["masked mean", "masked sum", "masked mean, eager", "weighted_mean"]
)
def test_means_over_what_is_not_masked_or_by_weights(results, name):
    results.check(name, RTOL)


@pytest.mark.parametrize(
    "name", ["frozen_layers", "layers_without_gradient", "trainable_set_changes"]
)
def test_what_is_trained(results, name):
    results.check(name, RTOL)


def test_resnet50(results):
    results.check("resnet50", 5e-2, only="moved")  # in float32, through 50 layers
    results.check("resnet50", 1e-3, only="loss")
    moved = results.alone["resnet50"]["moved"]
    assert sum(np.abs(one).max() > 0 for one in moved) > 80


def test_resnet50_with_statistics_of_each_rank(results):
    _, ranks = results.outcome("resnet50")
    moved, loss = ranks[0]["by rank"]
    assert np.isfinite(loss).all() and loss == ranks[1]["by rank"][1]
    for mine, first in zip(ranks[1]["by rank"][0], moved, strict=True):
        assert np.isfinite(first).all()
        np.testing.assert_array_equal(mine, first)
    assert sum(np.abs(one).max() > 0 for one in moved) > 200


@pytest.mark.parametrize("name", ["keras_hub_bert", "keras_hub_gpt2"])
def test_transformers_of_keras_hub(results, name):
    alone, _ = results.outcome(name)
    if "missing" in alone:
        pytest.skip(f"no keras-hub (pip install --no-deps keras-hub): {alone['missing']}")
    results.check(name, 1e-4)


@pytest.mark.parametrize(
    "name",
    [
        *["gan", "gan_with_nested_tapes", "distillation", "interleaved", "fit_within_fit"],
        "one_loss_of_two_models",
    ],
)
def test_several_models_and_optimizers(results, name):
    results.check(name, RTOL)
