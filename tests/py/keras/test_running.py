"""However a model is run, it trains as in a single process."""

import pytest
from alone_and_together import run_cases

RTOL = 1e-5


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_cases(
        "running_cases", "loop_cases", folder=tmp_path_factory.mktemp("running"), timeout=300
    )


@pytest.mark.parametrize(
    "name",
    [
        *["one step per execution", "steps_per_execution", "steps_per_execution of all"],
        *["run_eagerly", "run_eagerly and steps_per_execution", "unrolled_steps"],
        "steps_per_epoch_of_an_endless_dataset",
    ],
)
def test_fit_evaluate_predict(results, name):
    results.check(name, RTOL)


@pytest.mark.parametrize(
    "name", ["train_on_batch", "train_on_batch_of_all", "train_on_batch_eager"]
)
def test_one_batch_at_a_time(results, name):
    results.check(name, RTOL)


@pytest.mark.parametrize(
    "name",
    [
        *["overridden_train_step", "overridden_train_step_with_own_loss"],
        *["overridden_train_step_eager", "overridden_train_step_in_a_loop"],
        *["overridden_train_step_with_more_logs", "overridden_train_step_with_rows_of_all_ranks"],
    ],
)
def test_a_train_step_of_ones_own(results, name):
    results.check(name, RTOL, only="weights")


@pytest.mark.parametrize(
    "name",
    [
        *["overridden_train_step", "overridden_train_step_with_own_loss"],
        *["overridden_train_step_with_more_logs", "overridden_train_step_with_rows_of_all_ranks"],
    ],
)
def test_logs_of_a_train_step_of_ones_own(results, name):
    results.check(name, RTOL, only="history")


@pytest.mark.parametrize(
    "name",
    [
        *["while_loop_around_run", "for_loop_over_a_dataset", "loop_within_run"],
        *["compiled_gradients_in_a_loop", "shapes_that_differ_between_ranks"],
        *["metrics_by_hand", "loop_without_run"],
    ],
)
def test_a_loop_of_ones_own(results, name):
    results.check(name, RTOL)


@pytest.mark.parametrize("name", ["jit_compile", "jit_compile_of_own_step", "jit_compile and more"])
def test_jit_compile_trains_the_same(results, name):
    results.check(name, 1e-4, only="weights")


@pytest.mark.parametrize("name", ["jit_compile", "jit_compile and more"])
def test_jit_compile_evaluates_and_predicts_the_same(results, name):
    for key in ("history", "evaluate", "predict"):
        results.check(name, 1e-4, only=key)


def test_jit_compile_compiles(results):
    _, ranks = results.outcome("compiled_by_xla")
    for outcome in ranks:
        assert outcome["jit_compile"]
        # In one program: the backward pass, whose products TensorFlow does not fuse before.
        assert outcome["most products"] >= 2


def test_what_xla_cannot_compile_is_named(results):
    results.check("refused_by_xla")


@pytest.mark.parametrize("name", ["new_shapes", "fit_twice", "fit_after_load_model"])
def test_again_and_again(results, name):
    results.check(name, RTOL)


def test_a_whole_program_in_the_scope(results):
    results.check("whole_program_in_the_scope", RTOL)


@pytest.mark.parametrize("name", ["first_called_outside_of_the_scope", "layers_adapted_before"])
def test_what_is_built_outside_of_the_scope(results, name):
    results.check(name, RTOL)
