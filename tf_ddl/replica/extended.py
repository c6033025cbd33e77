"""The strategy's implementation: one replica in this process, the others behind the engine.

There are no replica threads, no mirrored variables and no merge calls. A value is this rank's
value; what crosses ranks goes through `replica.collectives`.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._native.engine import Engine
from tf_ddl._tf import gradient_order, ops, private_api
from tf_ddl._tf.private_api import tf
from tf_ddl._tf.program_order import in_program_order
from tf_ddl.checks.model import FirstStepCheck
from tf_ddl.checks.replicas import ReplicaCheck, check_origin
from tf_ddl.data import sharding
from tf_ddl.options import Options
from tf_ddl.replica import collectives, seeds
from tf_ddl.replica.moving_averages import average_statistics
from tf_ddl.replica.step import Step, current_step, is_compiled
from tf_ddl.replica.variables import adopt, are_made_alone, synchronized

__all__ = ["DDLExtended", "DDLReplicaContext", "reducing_gradients"]


class _Gradients(NamedTuple):
    """What `ReplicaContext.all_reduce` is told of the gradients that it is given."""

    names: list[str] | None = None
    of_this_batch: bool = False
    must_be_finite: bool = True


_gradients = ScopedValue(_Gradients())
_called: ScopedValue[Callable[..., Any] | None] = ScopedValue(None)


def reducing_gradients(
    names: Sequence[str], of_this_batch: bool = True, must_be_finite: bool = True
) -> contextlib.AbstractContextManager[None]:
    """Tells `ReplicaContext.all_reduce` that it is given gradients, and what they are called.

    In a train step of Keras the gradients of a rank without rows count as zeros: some are NaN, as
    the mean of no rows is, and all are scaled by the rank's share of the rows, zero. Not so for
    gradients accumulated over several batches. Those of a scaled loss need not be finite.
    """
    return _gradients.set(_Gradients(list(names), of_this_batch, must_be_finite))


@functools.cache
def _warn_of_unreduced_update() -> None:
    warnings.warn(
        "an optimizer updates variables of the strategy's scope outside of strategy.run: no "
        "gradient is reduced over the ranks, and every rank computes the whole batch. Distribute "
        "the dataset by strategy.experimental_distribute_dataset and call the step by strategy.run",
        stacklevel=2,
    )


class DDLReplicaContext(private_api.ReplicaContext):
    """The replica context inside `DDLStrategy.run`."""

    is_ddl = True

    def __init__(self, strategy: Any) -> None:
        super().__init__(strategy, replica_id_in_sync_group=strategy.extended.engine.rank)

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """All-reduces `value`; each tensor as soon as it is ready.

        Args:
          reduce_op: `tf.distribute.ReduceOp` or "SUM", "MEAN".
          value: nested structure of tensors and `tf.IndexedSlices`, with the same shapes on every
            rank (but for the rows of `IndexedSlices`).
          options: not used; for compatibility with `tf.distribute.ReplicaContext`.

        Returns:
          The same structure; `tf.IndexedSlices` stay sparse.
        """
        return self._strategy.extended._replica_ctx_all_reduce(reduce_op, value, options)

    def all_gather(self, value: Any, axis: Any, options: Any = None) -> Any:
        """Concatenates the ranks' values along `axis`; sizes along it may differ."""
        del options
        return collectives.all_gather(self._strategy.extended.engine, value, axis)


class DDLExtended(private_api.StrategyExtended):
    """Implementation of DDLStrategy.

    Attributes:
      engine: the job's engine in this process.
      first_step: compares the ranks before they train.
    """

    def __init__(self, strategy: Any, engine: Engine, device: str, options: Options) -> None:
        super().__init__(strategy)
        self.engine = engine
        self._device = device
        self._check = ReplicaCheck(engine, options.check_replicas_every)
        self.first_step = FirstStepCheck(engine, options.check_first_step, self.is_own)
        # By eager step function: trainable variables and statistics that it assigns.
        self._assigned_by: dict[Any, tuple[dict[int, Any], dict[int, Any]]] = {}
        self._retrace_functions_for_each_device = False

    # --- variables ---

    def _create_variable(self, next_creator: Callable[..., Any], **kwargs: Any) -> Any:
        colocate_with = kwargs.pop("colocate_with", None)
        if kwargs.get("synchronization") == tf.VariableSynchronization.AUTO:
            kwargs["synchronization"] = tf.VariableSynchronization.ON_WRITE  # what it means here
        initial_value = kwargs.get("initial_value")
        alone = self.engine.size == 1 or are_made_alone()
        if initial_value is not None and not alone:
            kwargs["initial_value"] = synchronized(
                self.engine, initial_value, kwargs.get("dtype"), kwargs.get("name")
            )
        if colocate_with is None or isinstance(colocate_with, (str, tuple, list)):
            place: Any = tf.device(self._device)
        else:
            place = private_api.colocate_with(colocate_with)
        with place:
            variable = next_creator(**kwargs)
        if isinstance(variable, private_api.ResourceVariable):
            variable = adopt(variable, self.engine)
        return variable

    def is_own(self, variable: Any) -> bool:
        """Whether a variable was created in the scope of a DDLStrategy."""
        strategy = getattr(variable, "_distribute_strategy", None)
        return isinstance(getattr(strategy, "extended", None), DDLExtended)

    def _adopt_untrained(self, model: Any) -> None:
        """Lets variables of a Keras model that nothing trains join, wherever they were made.

        Such as those of a `Normalization` that was adapted before the model was made. That they are
        equal on all ranks is for `first_step` to find out.
        """
        for variable in model.non_trainable_variables:
            variable = variable.value
            if (
                isinstance(variable, private_api.ResourceVariable)
                and not variable.trainable
                and not self.is_own(variable)
            ):
                adopt(variable, self.engine)
                variable._distribute_strategy = self._container_strategy()

    def value_container(self, value: Any) -> Any:
        return value

    def read_var(self, v: Any) -> tf.Tensor:
        return tf.convert_to_tensor(v)

    # --- running ---

    def calling(self, fn: Callable[..., Any]) -> contextlib.AbstractContextManager[None]:
        """Remembers the function given to `strategy.run`, which TensorFlow wraps."""
        return _called.set(fn)

    def _call_for_each_replica(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        called = _called.get()
        step = Step(self.engine, fn if called is None else called, (args, kwargs))
        if step.keras_step == "train" and self.engine.size > 1:
            self._adopt_untrained(getattr(step.fn, "__self__", None))
        self.first_step.before(step)
        with (
            step.entered(),
            ops.recording() as recorded,
            tf.device(self._device),
            DDLReplicaContext(self._container_strategy()),
            seeds.in_run(self.engine.rank),
            private_api.VariableWatcher() as watcher,
        ):
            if self.engine.size > 1:
                args, kwargs = step.inputs()
                if step.keras_step in ("train", "test"):
                    step.note_rows()
            with step.compiling(), in_program_order(self.engine):
                result = fn(*args, **kwargs)
            if step.keras_step == "predict" and self.engine.size > 1:
                result = step.without_added_row(result)
        check_origin(watcher.watched_variables(), self.is_own)
        self.first_step.after(step, recorded)
        if step.graph is None:
            # A tf.function shows what it assigns only when it is traced, in its first call.
            known = self._assigned_by.setdefault(step.identity, ({}, {}))
            for seen, now in zip(known, (step.assigned, step.statistics)):
                seen.update(now)
                now.update(seen)
        with tf.device(self._device):
            average_statistics(self.engine, step)
            self._check.now_and_then(list(step.assigned.values()), step.identity)
        return result

    def after_unreduced_update(self, optimizer: Any, variables: list[Any]) -> None:
        """After an optimizer's update outside of `run`, where gradients are not reduced.

        That is right if all ranks compute the same, but no faster than one. If not, replicas drift.

        Raises:
          tf.errors.InvalidArgumentError: the variables have come to differ between ranks.
        """
        _warn_of_unreduced_update()
        with tf.device(self._device):
            self._check.now_and_then(variables, ("unreduced update", id(optimizer)))

    def compare(self, variables: list[Any]) -> None:
        """Compares the ranks' values of these variables.

        Raises:
          tf.errors.InvalidArgumentError: they differ; names one.
        """
        with tf.device(self._device):
            self._check.compare(variables)

    def _update(self, var: Any, fn: Any, args: Any, kwargs: Any, group: bool) -> Any:
        return self._run_update(var, fn, args, kwargs, group)

    def _replica_ctx_update(
        self, var: Any, fn: Any, args: Any = (), kwargs: Any = None, group: bool = True
    ) -> Any:
        # In a replica context `update` comes here; to call `update` again would not end.
        return self._run_update(var, fn, args, kwargs or {}, group)

    def _run_update(self, var: Any, fn: Any, args: Any, kwargs: Any, group: bool) -> Any:
        return self._update_non_slot(var, fn, (var, *args), kwargs, group)

    def _update_non_slot(
        self, colocate_with: Any, fn: Any, args: Any, kwargs: Any, group: bool
    ) -> Any:
        del colocate_with
        with tf.device(self._device), private_api.UpdateContext(self._device):
            result = fn(*args, **kwargs)
        return result if group else tf.nest.map_structure(self._local_results, result)

    def _use_merge_call(self) -> bool:
        return False

    # --- collectives ---

    def _replica_ctx_all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        del options
        names, of_this_batch, must_be_finite = _gradients.get()
        step = current_step()
        contributes: Any = True
        if of_this_batch and step is not None and step.keras_step:
            contributes = step.has_rows()
        is_graph = not (tf.executing_eagerly() or is_compiled(step))
        if names is not None and is_graph and self.engine.size > 1:
            gradient_order.compute_early(tf.nest.flatten(value))
        return collectives.all_reduce(
            self.engine,
            value,
            collectives.reduce_op_name(reduce_op),
            names,
            contributes,
            must_be_finite,
        )

    def _reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any) -> Any:
        del destinations, options
        return collectives.all_reduce(self.engine, value, collectives.reduce_op_name(reduce_op))

    def _reduce(self, reduce_op: Any, value: Any) -> Any:
        return self._reduce_to(reduce_op, value, None, None)

    def _batch_reduce_to(self, reduce_op: Any, value_destination_pairs: Any, options: Any) -> Any:
        values = [value for value, _ in value_destination_pairs]
        return self._reduce_to(reduce_op, values, None, options)

    def _gather_to_implementation(
        self, value: Any, destinations: Any, axis: Any, options: Any
    ) -> Any:
        del destinations, options
        return collectives.all_gather(self.engine, value, axis)

    def _broadcast_to(self, tensor: Any, destinations: Any) -> Any:
        del destinations
        return tensor

    # --- data ---

    def _experimental_distribute_dataset(self, dataset: Any, options: Any) -> Any:
        del options
        return sharding.split(dataset, self.engine.rank, self.engine.size, self.engine)

    def _distribute_datasets_from_function(self, dataset_fn: Any, options: Any) -> Any:
        del options
        return sharding.from_function(dataset_fn, self.engine.rank, self.engine.size, self.engine)

    def _experimental_distribute_values_from_function(self, value_fn: Any) -> Any:
        return value_fn(
            private_api.ValueContext(
                replica_id_in_sync_group=self.engine.rank, num_replicas_in_sync=self.engine.size
            )
        )

    def _experimental_make_numpy_dataset(self, numpy_input: Any, session: Any) -> Any:
        del session
        return tf.data.Dataset.from_tensor_slices(numpy_input)

    # --- facts ---

    def _local_results(self, val: Any) -> tuple[Any, ...]:
        return (val,)

    def _in_multi_worker_mode(self) -> bool:
        return False

    def _get_local_replica_id(self, replica_id_in_sync_group: Any) -> int:
        del replica_id_in_sync_group
        return 0

    def _get_replica_id_in_sync_group(self, replica_id: Any) -> int:
        del replica_id
        return self.engine.rank

    @property
    def _num_replicas_in_sync(self) -> int:
        return self.engine.size

    @property
    def worker_devices(self) -> tuple[str, ...]:
        return (self._device,)

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        return (self._device,)

    def non_slot_devices(self, var_list: Any) -> tuple[str, ...]:
        del var_list
        return (self._device,)

    @property
    def experimental_should_init(self) -> bool:
        return True

    @property
    def experimental_between_graph(self) -> bool:
        return False

    @property
    def should_checkpoint(self) -> bool:
        return self.engine.rank == 0

    @property
    def should_save_summary(self) -> bool:
        return self.engine.rank == 0

    @property
    def _global_batch_size(self) -> bool:
        return True

    @property
    def _support_per_replica_values(self) -> bool:
        return False
