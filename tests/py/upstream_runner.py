"""Runs distribution tests that Keras and TensorFlow install with themselves, with DDLStrategy.

    python upstream_runner.py OUT (keras | tensorflow)    # in each process of a job

The tests come from the installed packages; nothing of them is kept here. Those of Keras make a
`MirroredStrategy` of two devices; here the name stands for DDLStrategy, whose replicas are the
job's processes. Where a test looks at the values of all replicas at once, which are in one process
there, `_AllReplicas` gathers them from the ranks. All ranks run the same tests in the same order. A
file of JSON in OUT says of each what became of it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import itertools
import json
import os
import sys
import traceback
import types
import unittest
from collections.abc import Iterator
from unittest import mock

import keras
import tensorflow as tf
from tensorflow.python.distribute import strategy_test_lib, values
from tensorflow.python.eager import context

import tf_ddl

#: Keras' tests with a strategy: the module, and which of its tests.
KERAS = {
    "keras.src.backend.tensorflow.distribute_test": "",
    "keras.src.backend.tensorflow.optimizer_distribute_test": "",
    "keras.src.backend.common.variables_test": "test_variable_numpy_scalar",
    "keras.src.callbacks.swap_ema_weights_test": "distribute",
    "keras.src.ops.nn_test": "distribution_strategy",
    "keras.src.trainers.data_adapters.tf_dataset_adapter_test": "distributed",
}

#: Parts of TensorFlow's library that are given more than a strategy; they test how TensorFlow's own
#: input classes share out elements among devices of one process.
TENSORFLOW_ARGUMENTS = (
    "_test_collective_comms",
    "_test_collective_comms_gradient_tape",
    "_test_collective_comms_gradients",
    "_test_input_fn_iterable",
    "_test_input_fn_iterator",
)


class _AllReplicas:
    """A DDLStrategy that shows the values of all ranks, as a strategy with all replicas would."""

    def __init__(self, strategy: tf_ddl.DDLStrategy) -> None:
        self._strategy = strategy

    def __getattr__(self, name: str):
        return getattr(self._strategy, name)

    def run(self, fn, args=(), kwargs=None):
        """This rank's results as `PerReplica` of all ranks' results."""
        args, kwargs = tf.nest.map_structure(self._own, (args, kwargs or {}))
        return tf.nest.map_structure(self._gathered, self._strategy.run(fn, args, kwargs))

    def _own(self, value):
        return value.values[self._strategy.rank] if isinstance(value, _PerReplica) else value

    def _gathered(self, value):
        if not isinstance(value, (tf.Tensor, tf.Variable, int)):
            return value
        one = tf.convert_to_tensor(value)[tf.newaxis]
        return _PerReplica(tuple(tf.unstack(self._strategy.gather(one, axis=0))))

    def experimental_local_results(self, value):
        return value.values if isinstance(value, _PerReplica) else (value,)

    unwrap = experimental_local_results

    # TensorFlow 1's way to feed `run`, by which TensorFlow's tests give each replica an element.

    def make_input_fn_iterator(self, input_fn):
        size, rank = self._strategy.size, self._strategy.rank
        dataset = self._strategy.distribute_datasets_from_function(
            lambda context: input_fn(context).shard(size, rank)
        )
        return _Iterator(iter(dataset))

    def experimental_run(self, fn, iterator):
        return self.run(fn, (iterator.get_next(),))


class _Iterator:
    def __init__(self, iterator) -> None:
        self.get_next = iterator.get_next

    def initialize(self):
        return None


_PerReplica = values.PerReplica


def _not_installed() -> dict[str, types.ModuleType]:
    """What Keras' tests import and, for this backend, do not use: its conftest.py, JAX, PyTorch."""
    conftest = types.ModuleType("conftest")
    conftest.skip_if_backend = lambda *args: lambda test: test
    there = {"conftest": conftest}
    for name in ("jax", "torch"):
        if importlib.util.find_spec(name) is None:
            there[name] = types.ModuleType(name)
    return there


def _common_folders(top: str) -> types.SimpleNamespace:
    """In the place of `tempfile`: the ranks of a host share their folders, as they do in a job."""
    numbers = itertools.count()

    @contextlib.contextmanager
    def directory() -> Iterator[str]:
        path = os.path.join(top, f"common {next(numbers)}")
        os.makedirs(path, exist_ok=True)
        yield path

    return types.SimpleNamespace(TemporaryDirectory=directory)


def _keras_tests(folder: str) -> unittest.TestSuite:
    context._reset_context = lambda: None  # it is for two devices, of which a rank needs one
    tf.config.set_logical_device_configuration = lambda *args: None
    tf.distribute.MirroredStrategy = lambda devices=None: _AllReplicas(tf_ddl.DDLStrategy())
    suite = unittest.TestSuite()
    for name, part in KERAS.items():
        with mock.patch.dict(sys.modules, _not_installed()):
            module = importlib.import_module(name)
        if hasattr(module, "tempfile"):
            module.tempfile = _common_folders(folder)
        for group in unittest.defaultTestLoader.loadTestsFromModule(module):
            for test in group:
                if part in test._testMethodName and test._testMethodName != "test_session":
                    suite.addTest(test)
    return suite


def _tensorflow_tests(size: int) -> unittest.TestSuite:
    """The library's tests are functions of a strategy: `_test_NAME(strategy)`."""
    devices = (
        strategy_test_lib.OneDeviceDistributionTestBase
        if size == 1
        else strategy_test_lib.TwoDeviceDistributionTestBase
    )
    suite = unittest.TestSuite()
    for base in (strategy_test_lib.DistributionTestBase, devices):
        for name in sorted(vars(base)):
            if name in TENSORFLOW_ARGUMENTS or not name.startswith("_test_"):
                continue

            can_be_in_function = "run_in_function" in inspect.signature(vars(base)[name]).parameters
            for kwargs in [{}, {"run_in_function": True}][: 1 + can_be_in_function]:

                def test(self, name=name, kwargs=kwargs):
                    getattr(self, name)(_AllReplicas(tf_ddl.DDLStrategy()), **kwargs)

                called = name[1:] + ("_in_function" if kwargs else "")
                suite.addTest(type(base.__name__, (base,), {called: test})(called))
    return suite


class _Outcome(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.what: dict[str, str] = {}

    def stopTest(self, test) -> None:  # noqa: N802
        self.what.setdefault(_name(test), "passed")
        print(_name(test), self.what[_name(test)][-300:], flush=True)
        super().stopTest(test)

    def addSkip(self, test, reason) -> None:  # noqa: N802
        self.what[_name(test)] = f"skipped: {reason}"

    def addFailure(self, test, err) -> None:  # noqa: N802
        self.what[_name(test)] = "".join(traceback.format_exception(*err))

    addError = addFailure  # noqa: N815


def _name(test: unittest.TestCase) -> str:
    return f"{type(test).__name__}.{test._testMethodName}"


def main(out: str, which: str) -> None:
    """Runs the tests of `which`, "keras" or "tensorflow"."""
    strategy = tf_ddl.DDLStrategy()
    suite = _keras_tests(out) if which == "keras" else _tensorflow_tests(strategy.size)
    outcome = _Outcome()
    for test in suite:
        keras.backend.clear_session()
        test(outcome)
    with open(f"{out}/{which}.{strategy.rank}.json", "w") as file:
        json.dump(outcome.what, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
