"""One call of `strategy.run`: the step's inputs, its rows, and what it assigns."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._native.engine import Engine
from tf_ddl._tf import ops, private_api
from tf_ddl._tf.private_api import FuncGraph, tf
from tf_ddl._tf.rows import is_batch, number_of_rows, row_of_zeros
from tf_ddl.data import sharding

__all__ = [
    "Step",
    "current_step",
    "in_replica_context",
    "is_compiled",
    "jit_compile_of",
    "last_rows",
]

_current: ScopedValue[Step | None] = ScopedValue(None)
_LAST_ROWS = "_tf_ddl_rows_of_last_batch"


class Step:
    """One call of `strategy.run`.

    Attributes:
      fn: the function as it was passed to `run`.
      identity: equal for calls of the same step function.
      keras_step: "train" or "test" or "predict", if it is that step of a Keras model; else "".
      assigned: trainable variables that it assigned, by id.
      statistics: variables that follow the data, such as moving averages, that it assigned, by id.
      reduced_for: ids of optimizers that hold reduced gradients which they have not applied yet.
    """

    def __init__(self, engine: Engine, fn: Callable[..., Any], inputs: Any) -> None:
        self.fn = fn
        self.keras_step = _keras_step(fn)
        self.assigned: dict[int, Any] = {}
        self.statistics: dict[int, Any] = {}
        self.reduced_for: set[int] = set()
        self.graph = None if tf.executing_eagerly() else private_api.default_graph()
        self._engine = engine
        self._inputs = inputs
        self._rows: Any = None
        self._rows_known = False
        self._all_rows: Any = ()
        self._is_share = False
        args, kwargs = inputs
        if args and isinstance(args[0], sharding.Share):
            self._inputs = ((args[0].data, *args[1:]), kwargs)
            self._rows = _static_rows(args[0].data)
            if self._rows is None:
                self._rows = args[0].rows
            self._all_rows = args[0].rows_of_all
            self._rows_known = self._is_share = True
        self._weight: tf.Tensor | None = None

    @property
    def identity(self) -> Any:
        """Equal for calls of the same step function, also of lambdas made anew for each call."""
        fn, owner = self.fn, id(getattr(self.fn, "__self__", None))
        while hasattr(fn, "func"):
            fn = fn.func
        fn = getattr(fn, "python_function", fn)
        return (owner, getattr(getattr(fn, "__func__", fn), "__code__", type(fn)))

    def compiling(self, wanted: bool = True) -> contextlib.AbstractContextManager:
        """Has XLA compile what is computed within, for a model with compile(jit_compile=True).

        All but the operations that it cannot compile: those that communicate stay as they are.
        With `wanted` False, an exception within such a scope.
        """
        if not is_compiled(self):
            return contextlib.nullcontext()
        # Variables are left out, since most of what reads or assigns one stands alone.
        return tf.xla.experimental.jit_scope(
            compile_ops=lambda node: wanted and "Variable" not in node.op
        )

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """Makes this the thread's current step."""
        return _current.set(self)

    def _inputs_are_reachable(self) -> bool:
        """Whether ops added now can use what was computed from the inputs of the call."""
        if self.graph is None or tf.executing_eagerly():
            return self.graph is None and tf.executing_eagerly()
        graph = private_api.default_graph()
        while graph is not self.graph:
            if not isinstance(graph, FuncGraph):
                return False
            graph = graph.outer_graph
        return True

    def rows(self) -> Any:
        """Rows of this rank's batch: the first dimension of the first tensor among the inputs.

        Returns:
          int where it is known, else an int64 scalar. None if there is no such tensor, or if a
          function is being traced that will outlive this call.
        """
        if not self._inputs_are_reachable():
            return None
        if not self._rows_known:
            with private_api.building_in(self.graph):
                for leaf in tf.nest.flatten(self._inputs):
                    self._rows = number_of_rows(leaf)
                    if self._rows is not None:
                        break
            self._rows_known = True
        return self._rows

    def note_rows(self) -> None:
        """Keeps the number of rows of this batch for `last_rows`.

        Only for models with a step of their own: the logs of Keras' come from metrics.
        """
        step: Any = getattr(self.fn, "__func__", self.fn)
        rows = None if step.__module__.startswith("keras.") else self.rows()
        if rows is None:
            return
        with tf.init_scope():
            kept = vars(self.fn.__self__).setdefault(  # type: ignore[attr-defined]
                _LAST_ROWS, private_api.local_variable(0, tf.int64, "tf_ddl_rows_of_last_batch")
            )
        kept.assign(rows)

    def has_rows(self) -> Any:
        """Whether this rank's batch has rows: bool where it is known, else a boolean scalar."""
        rows = self.rows()
        if rows is None or isinstance(rows, int):
            return rows != 0
        with private_api.building_in(self.graph):
            return rows > 0

    def _with_a_row(self) -> Any:
        """The inputs; if this rank has no rows, with one row instead: zeros, if none was kept.

        Layers are not made for batches without rows: means are NaN, and TensorFlow's convolutions
        return a wrong shape. What a Keras step computes from such a row is not used.
        """
        leaves = tf.nest.flatten(self._inputs)
        batched = [i for i, leaf in enumerate(leaves) if number_of_rows(leaf) is not None]
        if self.has_rows() is True or not batched:
            return self._inputs
        chosen = tf.cond(
            tf.convert_to_tensor(number_of_rows(leaves[batched[0]]) > 0),
            lambda: [leaves[i] for i in batched],
            lambda: [row_of_zeros(leaves[i]) for i in batched],
        )
        for i, leaf in zip(batched, chosen):
            leaves[i] = leaf
        return tf.nest.pack_sequence_as(self._inputs, leaves)

    def inputs(self) -> Any:
        """What the function is called with: in a Keras step at least one row, else this rank's."""
        if self.keras_step:
            return self._with_a_row()
        if not self._is_share:
            return self._inputs
        return tf.nest.map_structure(self._own_rows_of, self._inputs)

    def _own_rows_of(self, value: Any) -> Any:
        if number_of_rows(value) is None:
            return value
        if isinstance(value, tf.SparseTensor):
            shape = tf.concat([[tf.cast(self.rows(), tf.int64)], value.dense_shape[1:]], axis=0)
            return tf.sparse.slice(value, tf.zeros_like(shape), shape)
        return value[: self.rows()]

    def without_added_row(self, outputs: Any) -> Any:
        """Rows of outputs that belong to rows of the inputs."""
        if self.has_rows() is True:
            return outputs
        return tf.nest.map_structure(self._own_rows_of, outputs)

    def weight(self) -> tf.Tensor | None:
        """This rank's share of the rows of the global batch, float64 scalar; 0 without rows.

        Where the data does not tell, the first use in a call adds one all-reduce of one number.
        None where `rows()` is None.
        """
        rows = self.rows()
        if rows is None:
            return None
        if self._weight is None:
            with private_api.building_in(self.graph):
                rows = tf.cast(rows, tf.int64)
                total = self._all_rows
                if isinstance(total, tuple):
                    (total,) = ops.all_reduce(
                        self._engine, [rows], "sum", names=["rows of the batch"]
                    )
                self._weight = tf.math.divide_no_nan(
                    tf.cast(rows, tf.float64), tf.cast(total, tf.float64)
                )
        return self._weight


def _static_rows(data: Any) -> int | None:
    """Rows that are the rank's own, if the shapes of a `Share` tell. A single one may not be."""
    for leaf in tf.nest.flatten(data):
        rows = number_of_rows(leaf) if is_batch(leaf) else None
        if rows is not None:
            return rows if isinstance(rows, int) and rows > 1 else None
    return None


def current_step() -> Step | None:
    """The call of `strategy.run` that this thread is in."""
    return _current.get()


def jit_compile_of(model: Any) -> bool:
    """Whether a Keras model was compiled with `jit_compile=True`."""
    return getattr(model, "jit_compile", False) is True


def is_compiled(step: Step | None) -> bool:
    """Whether XLA compiles what it can of a step, of a model with compile(jit_compile=True)."""
    if step is None or not step.keras_step or step.graph is None:
        return False
    return jit_compile_of(getattr(step.fn, "__self__", None))


def last_rows(model: Any) -> int:
    """Rows of this rank's part of the last batch of a Keras model; 1 if that is not known."""
    kept = vars(model).get(_LAST_ROWS)
    return 1 if kept is None else int(kept)


def in_replica_context() -> bool:
    """Whether this thread is within `strategy.run` of a DDLStrategy, not in a `merge_call`.

    Outside of `run` a thread may be in TensorFlow's default replica context; that does not count.
    """
    replica = tf.distribute.get_replica_context()
    return replica is not None and getattr(replica, "is_ddl", False)


def _keras_step(fn: Callable[..., Any]) -> str:
    model = getattr(fn, "__self__", None)
    if hasattr(model, "train_step") and hasattr(model, "compute_loss"):
        return {"train_step": "train", "test_step": "test"}.get(getattr(fn, "__name__", ""), "")
    in_keras = getattr(fn, "__module__", "").startswith("keras.")
    is_predict = "make_predict_function" in getattr(fn, "__qualname__", "")
    return "predict" if in_keras and is_predict else ""
