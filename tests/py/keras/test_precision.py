"""Mixed precision: as in a single process, and a step is skipped by all ranks or by none."""

import numpy as np
import pytest
from alone_and_together import run_cases

# What float16 (2**-11) and bfloat16 (2**-8) make of a sum in another order, in some steps.
FLOAT16, BFLOAT16 = 2e-3, 2e-2


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_cases("precision_cases", folder=tmp_path_factory.mktemp("precision"))


@pytest.mark.parametrize(
    "name", ["mixed_float16", "mixed_float16_clipped_and_averaged", "mixed_float16_in_a_loop"]
)
def test_mixed_float16(results, name):
    results.check(name, FLOAT16)
    assert results.alone[name]["optimizer"] == "LossScaleOptimizer"
    assert results.alone[name]["variables"] == ["float32"]
    assert results.alone[name]["updates"] >= 4  # the first scale may be too large


def test_mixed_bfloat16(results):
    results.check("mixed_bfloat16", BFLOAT16)
    assert results.alone["mixed_bfloat16"]["optimizer"] == "SGD"
    assert results.alone["mixed_bfloat16"]["variables"] == ["float32"]


def test_bfloat16(results):
    results.check("bfloat16", 4 * BFLOAT16)
    assert "bfloat16" in results.alone["bfloat16"]["variables"]


@pytest.mark.parametrize(
    "name",
    [
        *["overflow_on_rank_0", "overflow_on_rank_1", "overflow_on_both", "overflow_eagerly"],
        *["overflow_while_clipping", "overflow_while_accumulating", "overflow_in_own_step"],
    ],
)
def test_a_step_that_overflows_is_skipped_by_all(results, name):
    results.check(name, FLOAT16)
    _, ranks = results.outcome(name)
    for outcome in ranks:
        steps = outcome["steps"]
        scales = [step["scale"] for step in steps]
        assert scales == [256.0, 256.0, 128.0, 128.0, 128.0, 256.0]  # halved, then grown again
        updates = [0, 1, 1, 1, 2, 2] if "accumulating" in name else [1, 2, 2, 3, 4, 5]
        assert [step["updates"] for step in steps] == updates
        for before, after in zip(steps[1]["moved"], steps[2]["moved"], strict=True):
            np.testing.assert_array_equal(before, after)
        assert any(
            (a != b).any() for a, b in zip(steps[3]["moved"], steps[5]["moved"], strict=True)
        )


def test_a_step_that_overflows_in_a_loop_of_steps(results):
    results.check("overflow_in_a_loop", FLOAT16)
    _, ranks = results.outcome("overflow_in_a_loop")
    for outcome in ranks:
        assert [step["scale"] for step in outcome["steps"]] == [256.0, 128.0, 256.0]
        assert [step["updates"] for step in outcome["steps"]] == [2, 3, 5]


def test_a_sum_that_overflows_is_skipped(results):
    results.check("overflow_of_the_sum", FLOAT16)
    _, ranks = results.outcome("overflow_of_the_sum")
    values = ranks[0]["outcomes"]
    np.testing.assert_array_equal(values[0], [1.0, 2.0])
    assert values[1] == 2.0**14 and values[3] == 2.0**13
    assert (values[6] < [1.0, 2.0]).all() and values[7] == 2.0**13


def test_gradients_travel_before_it_is_known_whether_all_are_finite(results):
    results.check("overlap_of_scaled_gradients")
