"""Replicas that drift apart are an error.

A gradient that reaches a variable without being reduced makes the ranks train different models, and
nothing would show it. Two things are checked. Variables that `strategy.run` trains must come from
the strategy's scope; this costs nothing, at tracing. And after the first run of each step function,
and every `check_replicas_every` runs, the ranks compare checksums of all variables that it trained.
In other steps that is one counter and one branch not taken.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tf_ddl._base.words import SHOWN, names_of
from tf_ddl._native.engine import Engine
from tf_ddl._tf import failures, ops, private_api
from tf_ddl._tf.local_values import display_name, local_value
from tf_ddl._tf.private_api import tf
from tf_ddl._tf.program_order import in_program_order

__all__ = ["ReplicaCheck", "check_origin", "checksum"]


def check_origin(variables: Iterable[Any], is_own: Callable[[Any], bool]) -> None:
    """Refuses trainable variables that were made outside of the scope.

    Args:
      variables: trainable variables that a function of `strategy.run` used.
      is_own: whether a variable was created in a DDLStrategy's scope.

    Raises:
      ValueError: names them.
    """
    foreign = sorted({display_name(v) for v in variables if not is_own(v)})
    if foreign:
        raise ValueError(
            f"strategy.run uses trainable variables that were not created under this strategy's "
            f"scope: {names_of(foreign)}. Their initial values differ between ranks, so the "
            "replicas would train different models. Create the model and the optimizer inside "
            "`with strategy.scope():`; variables that are not trained need trainable=False."
        )


def checksum(variable: Any) -> int:
    """The sum of a variable's bits, read as integers; equal for equal bits."""
    value = np.ascontiguousarray(local_value(variable).numpy()).reshape(-1)
    integers = {1: np.uint8, 2: np.int16}.get(value.itemsize, np.int32)
    return int(value.view(integers).sum(dtype=np.int64))


class ReplicaCheck:
    """Compares the ranks' variables now and then.

    Args:
      engine: the job.
      every: runs of a step between two comparisons; 0: only after the first.
    """

    def __init__(self, engine: Engine, every: int) -> None:
        self._engine = engine
        self._every = every
        self._counters: list[Any] = []  # variables of traced steps; they live as long as the graphs
        self._eager_runs: collections.Counter[Any] = collections.Counter()

    def now_and_then(self, variables: list[Any], step: Any) -> None:
        """Called at the end of each step, where it is traced or executed.

        Args:
          variables: those that it assigns.
          step: what tells it apart from other steps; the same for each of its runs.

        Raises:
          tf.errors.InvalidArgumentError: in eager mode, and when a traced step is executed: the
            replicas differ; names the first variable that does.
        """
        if self._engine.size == 1 or not variables:
            return
        if not tf.executing_eagerly():
            self._add_to_graph(variables)
            return
        self._eager_runs[step] += 1
        count = self._eager_runs[step]
        if count == 1 or (self._every and count % self._every == 0):
            self.compare(variables)

    def _add_to_graph(self, variables: list[Any]) -> None:
        with tf.init_scope():
            counter = private_api.local_variable(0, tf.int64, "tf_ddl_steps")
        self._counters.append(counter)
        count = tf.convert_to_tensor(counter.assign_add(1))
        due = tf.equal(count, 1)
        if self._every:
            due |= tf.equal(count % self._every, 0)

        def compare() -> tf.Tensor:
            # Inputs of the branch, so that it is executed between the step's assignments and later
            # ones. To read the variables by ops would take a large part of the time of tracing.
            for variable in variables:
                private_api.default_graph().capture(variable.handle)
            self.compare(variables)
            return tf.constant(True)

        with in_program_order(self._engine):
            tf.cond(due, compare, lambda: tf.constant(True), name="tf_ddl_compare_replicas")

    def compare(self, variables: list[Any]) -> None:
        """Compares these variables now, here; see `now_and_then`. All ranks must call."""
        names = [display_name(v) for v in variables]

        def checksums() -> np.ndarray:
            return np.array([[checksum(v) for v in variables]], np.int64)

        mine = tf.numpy_function(checksums, [], tf.int64)
        mine = tf.ensure_shape(mine, [1, len(names)])
        sums, _ = ops.all_gather(self._engine, mine, name="checksums of variables")
        message = tf.numpy_function(functools.partial(_difference, names), [sums], tf.string)
        failures.check(tf.equal(message, ""), message)


def _difference(names: list[str], sums: np.ndarray) -> str:
    """What to say of variables that are not the same on all ranks; "" if all are.

    Args:
      names: of the variables.
      sums: [ranks, variables], their checksums.
    """
    differs = sums != sums[:1]
    if not differs.any():
        return ""
    ranks = np.flatnonzero(differs.any(axis=1))
    which = [name for name, any_ in zip(names, differs.any(axis=0)) if any_]
    return (
        "the replicas have drifted apart: on rank 0 and rank "
        f"{', '.join(map(str, ranks[:SHOWN]))} these variables are not the same: "
        f"{', '.join(which[:SHOWN])} ({len(which)} in all). A gradient was applied without being "
        "reduced over the ranks, or a variable was assigned something that differs between them. "
        "An optimizer has to call tf.distribute.get_replica_context().all_reduce(SUM, gradients) "
        "before it updates variables, as those of Keras do"
    )
