"""Variables created in a strategy's scope.

They are TensorFlow's resource variables with two additions. Initial values are rank 0's. And
variables with `synchronization=ON_READ` (Keras' metrics) are local within `strategy.run`, while a
read anywhere else gives the sum or mean over all ranks.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any

from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._native.engine import Engine
from tf_ddl._tf import callback_scope, private_api
from tf_ddl._tf.local_values import are_local, local_reads, local_value
from tf_ddl._tf.private_api import tf
from tf_ddl.replica import collectives
from tf_ddl.replica.step import current_step, in_replica_context

__all__ = [
    "adopt",
    "are_made_alone",
    "is_adopted",
    "made_here_alone",
    "synchronized",
]

_made_alone = ScopedValue(False)


def made_here_alone() -> contextlib.AbstractContextManager[None]:
    """Variables that are created on this thread keep this rank's initial values.

    For what only some ranks do, such as writing files: nobody else would take part in a broadcast.
    """
    return _made_alone.set(True)


def are_made_alone() -> bool:
    """Whether this thread is within `made_here_alone`."""
    return _made_alone.get()


def synchronized(
    engine: Engine, initial_value: Any, dtype: Any = None, name: str | None = None
) -> Callable[[], tf.Tensor]:
    """An initial value that is rank 0's on every rank.

    Args:
      engine: the job.
      initial_value: a value or a function of no arguments that gives one.
      dtype: of the variable; None: the value's.
      name: the variable's, for messages.
    """

    def from_rank_0() -> tf.Tensor:
        value = initial_value() if callable(initial_value) else initial_value
        return collectives.broadcast(
            engine, tf.convert_to_tensor(value, dtype=dtype), name=name or "variable"
        )

    return from_rank_0


def adopt(variable: Any, engine: Engine) -> Any:
    """Gives a variable of TensorFlow's the behaviour described above."""
    if isinstance(variable, _Mirrored):
        return variable
    on_read = variable.synchronization == tf.VariableSynchronization.ON_READ
    created: Any = type(variable)
    variable.__class__ = _subclass(created, on_read)
    variable._tf_ddl_engine = engine
    return variable


def is_adopted(variable: Any) -> bool:
    """Whether a variable has the behaviour described above."""
    return isinstance(variable, _Mirrored)


@functools.cache
def _subclass(base: type, on_read: bool) -> type:
    mixin = _SyncOnRead if on_read else _Mirrored
    if on_read and base is private_api.HandleVariable:
        base = private_api.ResourceVariable  # whose value TensorFlow asks it for
    return types.new_class(
        f"DDL{base.__name__}",
        (mixin, base),
        exec_body=lambda body: body.update(__module__=__name__),
    )


class _Mirrored:
    """A variable that is meant to be equal on every rank; assignments are noted for the check."""

    def _value_or_neutral(self: Any, value: Any, otherwise: Callable[[], Any]) -> Any:
        """What a rank without rows may assign to a metric or a statistic: `otherwise()`.

        In a Keras step it computes with a row that was added, and nothing of that may stay.
        Elsewhere, only what is not finite is replaced, such as the mean of no rows.
        """
        step = current_step()
        if step is None or not self._follows_data() or private_api.in_update():
            return value
        has_rows = step.has_rows()
        if has_rows is True:
            return value
        value = tf.convert_to_tensor(value, dtype=self.dtype)
        if not step.keras_step:
            if not self.dtype.is_floating:
                return value
            has_rows = tf.math.is_finite(value) | has_rows
        return tf.where(has_rows, value, otherwise())

    def _follows_data(self: Any) -> bool:
        """Whether this is a statistic of the data, such as a moving average."""
        return (
            not self.trainable
            and self.dtype.is_floating
            and self.aggregation in (tf.VariableAggregation.NONE, tf.VariableAggregation.MEAN)
            and not getattr(self, "_tf_ddl_optimizer", False)
        )

    def _is_averaged(self) -> bool:
        return self._follows_data()

    def _note_assignment(self: Any) -> None:
        step = current_step()
        if step is None:
            if self.trainable or getattr(self, "_tf_ddl_optimizer", False):
                callback_scope.note_assignment(self)
            return
        if self.trainable:
            step.assigned[id(self)] = self
        elif self._is_averaged() and not private_api.in_update():
            step.statistics[id(self)] = self

    def assign(self: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        self._note_assignment()
        value = self._value_or_neutral(value, lambda: local_value(self))
        return super().assign(value, *args, **kwargs)  # type: ignore[misc]

    def assign_add(self: Any, delta: Any, *args: Any, **kwargs: Any) -> Any:
        self._note_assignment()
        delta = self._value_or_neutral(delta, lambda: tf.zeros([], self.dtype))
        return super().assign_add(delta, *args, **kwargs)  # type: ignore[misc]

    def assign_sub(self: Any, delta: Any, *args: Any, **kwargs: Any) -> Any:
        self._note_assignment()
        delta = self._value_or_neutral(delta, lambda: tf.zeros([], self.dtype))
        return super().assign_sub(delta, *args, **kwargs)  # type: ignore[misc]


def _noting(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._note_assignment()
        return getattr(super(_Mirrored, self), name)(*args, **kwargs)

    method.__name__ = name
    return method


for _name in ("add", "sub", "max", "min", "mul", "div", "update", "nd_add", "nd_sub", "nd_max"):
    setattr(_Mirrored, f"scatter_{_name}", _noting(f"scatter_{_name}"))
for _name in ("scatter_nd_min", "scatter_nd_update", "batch_scatter_update"):
    setattr(_Mirrored, _name, _noting(_name))


class _SyncOnRead(_Mirrored):
    """A variable that is local in `strategy.run` and the sum or mean over ranks elsewhere.

    Saving never communicates, so that rank 0 may save alone: a checkpoint holds the saving rank's
    part. A restored value, like one that is assigned outside `run`, is the value over all ranks:
    for a sum, rank 0 holds it and the others hold zeros.
    """

    def _follows_data(self) -> bool:
        return True

    def _is_averaged(self) -> bool:
        return False

    def _is_local_here(self: Any) -> bool:
        if are_local() or self._tf_ddl_engine.size == 1:
            return True
        if private_api.in_variable_sync_on_read_context():
            return False
        return in_replica_context()

    def _read_variable_op(self: Any, *args: Any, **kwargs: Any) -> tf.Tensor:
        value = super()._read_variable_op(*args, **kwargs)  # type: ignore[misc]
        if self._is_local_here():
            return value
        engine = self._tf_ddl_engine
        if self.aggregation == tf.VariableAggregation.SUM:
            return collectives.all_reduce(engine, value, "sum", names=[self.name])
        if self.aggregation == tf.VariableAggregation.MEAN:
            return collectives.all_reduce(engine, value, "mean", names=[self.name])
        if self.aggregation == tf.VariableAggregation.ONLY_FIRST_REPLICA:
            return collectives.broadcast(engine, value, name=self.name)
        return value

    def _part_of(self: Any, value: Any) -> Any:
        """This rank's part of a value over all ranks."""
        summed = self.aggregation == tf.VariableAggregation.SUM
        if self._is_local_here() or not summed or self._tf_ddl_engine.rank == 0:
            return value
        return tf.zeros_like(tf.convert_to_tensor(value, dtype=self.dtype))

    def assign(self: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super().assign(self._part_of(value), *args, **kwargs)

    def assign_add(self: Any, delta: Any, *args: Any, **kwargs: Any) -> Any:
        return super().assign_add(self._part_of(delta), *args, **kwargs)

    def assign_sub(self: Any, delta: Any, *args: Any, **kwargs: Any) -> Any:
        return super().assign_sub(self._part_of(delta), *args, **kwargs)

    def read_value_no_copy(self: Any) -> tf.Tensor:  # what saving reads
        with local_reads():
            return super().read_value_no_copy()  # type: ignore[misc]

    def _copy_trackable_to_cpu(self: Any, object_map: Any) -> None:
        with local_reads():
            super()._copy_trackable_to_cpu(object_map)  # type: ignore[misc]

    def _restore_from_tensors(self: Any, restored_tensors: Any) -> Any:
        key = private_api.VARIABLE_VALUE_KEY
        part = {**restored_tensors, key: self._part_of(restored_tensors[key])}
        return super()._restore_from_tensors(part)  # type: ignore[misc]

    def __repr__(self) -> str:  # printing must not wait for other ranks
        with local_reads():
            return super().__repr__()
