"""Keras' and TensorFlow's own distribution tests, as installed, pass with DDLStrategy.

docs/keras.md lists them. A test that a release adds, drops or breaks shows here.
"""

import json

import pytest
import upstream_runner
from harness import run_workers

#: Tests that cannot pass, and a part of what they say. "skipped" means that they skip themselves.
NOT_APPLICABLE = {
    # Ask for a class of MirroredStrategy's.
    "DistributeTest.test_strategy_run": "DistributedValues",
    "DistributeTest.test_variable_creation": "DistributedValues",
    # Trains a model from outside of the scope beside the other one, which a job of several refuses.
    "DistributeTest.test_correctness_with_fit_and_regularizer": "outside of the strategy's scope",
    # Looks at a batch of both replicas, in between Keras' iterator and `run`.
    "DistributeTest.test_epoch_iterator": "AssertionError",
    # Both replicas give the same tensor, which MirroredStrategy takes for a sum already.
    "OptimizerDistributeTest.test_ema": "2.0 (ACTUAL), 3.0 (DESIRED)",
    "TestTFDatasetAdapter.test_distributed_datasets_from_function_model_integration": (
        "outside of the strategy's scope"
    ),
    # Counts the batches of a strategy with one replica.
    "TestTFDatasetAdapter.test_distributed_datasets_from_function_adapter_properties": "32 != 16",
    "OptimizerDistributeTest.test_single_step1": "skipped: tf_keras not installed",
    "DistributionTestBase.test_numpy_dataset": "skipped: n/a: V1 only",
    "DistributionTestBase.test_numpy_dataset_in_function": "skipped: n/a: V1 only",
    "TwoDeviceDistributionTestBase.test_all_reduce_mean_gradients": "skipped",
    "TwoDeviceDistributionTestBase.test_all_reduce_sum_gradients": "skipped",
    "OneDeviceDistributionTestBase.test_all_reduce_mean_gradients": "skipped",
    "OneDeviceDistributionTestBase.test_all_reduce_sum_gradients": "skipped",
    "OneDeviceDistributionTestBase.test_device_and_input_device_are_colocated": "skipped",
    "OneDeviceDistributionTestBase.test_device_and_input_device_are_colocated_with_function": (
        "skipped"
    ),
}
#: Tests that take their process for that of replica 0, on other ranks.
FOR_REPLICA_0 = {
    "DistributionTestBase.test_replica_id": "not less than 1",
    "DistributionTestBase.test_summary_for_replica_zero_only": "has length of 1",
}
#: Keras' tests that make sense for one replica.
ON_ONE = [
    "DistributeTest.test_variable_aggregation",
    "DistributeTest.test_variable_synchronization",
    "OptimizerDistributeTest.test_clip_norm",
    "OptimizerDistributeTest.test_clip_value",
    "OptimizerDistributeTest.test_config",
    "OptimizerDistributeTest.test_ema",
    "SwapEMAWeightsTest.test_swap_ema_weights_with_tf_distribute",
    "TestTFDatasetAdapter.test_distributed_datasets_from_function_adapter_properties",
    "TestTFDatasetAdapter.test_distributed_datasets_from_function_model_integration",
    "VariableNumpyValueAndAssignmentTest.test_variable_numpy_scalar",
]


def _run(folder, size, which):
    """What became of each test, by rank."""
    source = f"import upstream_runner\nupstream_runner.main({str(folder)!r}, {which!r})\n"
    path = upstream_runner.__file__.rpartition("/")[0]
    run_workers(f"import sys\nsys.path.insert(0, {path!r})\n{source}", size, timeout=280)
    files = [folder / f"{which}.{rank}.json" for rank in range(size)]
    return [json.loads(file.read_text()) for file in files]


def _unexpected(outcomes, names=None):
    wrong = {}
    for rank, outcome in enumerate(outcomes):
        not_applicable = {**NOT_APPLICABLE, **(FOR_REPLICA_0 if rank else {})}
        for name, what in outcome.items():
            expected = "passed" if names is not None else not_applicable.get(name, "passed")
            if (names is None or name in names) and expected not in what:
                wrong[f"rank {rank}: {name}"] = what
    return wrong


@pytest.fixture(scope="module")
def keras_on_two(tmp_path_factory):
    return _run(tmp_path_factory.mktemp("two"), 2, "keras")


@pytest.fixture(scope="module")
def tensorflow_on_two(tmp_path_factory):
    return _run(tmp_path_factory.mktemp("two"), 2, "tensorflow")


def test_keras_tests_on_two_ranks(keras_on_two):
    assert not _unexpected(keras_on_two)
    assert len(keras_on_two[0]) >= 20
    assert list(keras_on_two[0].values()).count("passed") >= 15


def test_tensorflow_tests_on_two_ranks(tensorflow_on_two):
    assert not _unexpected(tensorflow_on_two)
    assert list(tensorflow_on_two[0].values()).count("passed") >= 14


@pytest.mark.timeout(600)
def test_in_a_world_of_one(tmp_path):
    (outcome,) = _run(tmp_path, 1, "tensorflow")
    assert not _unexpected([outcome])
    assert list(outcome.values()).count("passed") >= 10
    (outcome,) = _run(tmp_path, 1, "keras")
    assert set(ON_ONE) <= set(outcome)
    assert not _unexpected([outcome], ON_ONE)


def test_what_does_not_apply_is_still_there(keras_on_two, tensorflow_on_two):
    seen = set(keras_on_two[0]) | set(tensorflow_on_two[0])
    assert {name for name in NOT_APPLICABLE if not name.startswith("OneDevice")} <= seen
