"""`tf_ddl.DDLStrategy`: what users put around the building of their model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tf_ddl import errors
from tf_ddl._keras import registry
from tf_ddl._native.engine import Engine
from tf_ddl._tf import ops, private_api
from tf_ddl._tf.private_api import tf
from tf_ddl.checks.exchange import agree_on_checks
from tf_ddl.checks.model import check_model
from tf_ddl.launcher.identity import from_environment
from tf_ddl.launcher.join import join
from tf_ddl.options import Options
from tf_ddl.plan import explain
from tf_ddl.replica import collectives, foreign_arguments, seeds
from tf_ddl.replica.device import Device, choose_device
from tf_ddl.replica.extended import DDLExtended

__all__ = ["DDLStrategy"]


class DDLStrategy(tf.distribute.Strategy):
    """Data-parallel training with one process per replica.

    Usage:

        strategy = tf_ddl.DDLStrategy()
        with strategy.scope():
            model = build_and_compile()
        model.fit(dataset, epochs=5)

    started with `ddlrun -np 4 python train.py`; without a launcher it is a world of one.

    What a program sees:

    * Variables created in `scope()` begin with rank 0's initial values on every rank.
    * `fit`, `evaluate` and `predict` take the global data and the global batch size on every rank;
      each rank computes its slice of every batch. All ranks must see the same data in the same
      order: if no seed is set (`tf.random.set_seed`, `keras.utils.set_random_seed`), the strategy
      sets one that is common to all ranks, and Python's and NumPy's global random generators go on
      from rank 0's state. Logs are global and equal; `predict` returns all rows.
    * A dataset with `AutoShardPolicy.OFF` may be each rank's own (`dataset.shard(size, rank)`); the
      ranks end their epochs together, those without rows left with empty batches.
    * What is random within a step (dropout, augmentation, noise) is drawn anew on each rank.
    * Callbacks run on every rank. What one rank's callback decides (`model.stop_training`) is
      decided for all.
    * `train_on_batch`, `test_on_batch` and `predict_on_batch` take this rank's rows.
    * In a custom loop `strategy.run` runs the function once, in this process;
      `strategy.reduce`, `strategy.gather` and the replica context's `all_reduce` and `all_gather`
      communicate, so every rank must call them.
    * Reading a metric's variables outside of `run` communicates too. Saving does not: rank 0 may
      save alone.
    * Replicas that would drift apart are an error: see `check`, and docs/checks.md.

    Args:
      options: how to join the job and how to communicate; default: from the environment
        (docs/environment.md).
      cluster_resolver: a `tf.distribute.cluster_resolver.ClusterResolver` that names the job's
        processes; default: launchers' variables, `TF_CONFIG` among them. Under a launcher such as
        `ddlrun` it may be given too, and must say the same or name no cluster.
      communication_options: taken for the sake of programs written for
        MultiWorkerMirroredStrategy: its timeout and pack size stand in for those of `options`.
      **others: arguments of other strategies; each is refused with what to do instead.

    Raises:
      BuildError: the compiled ops are missing or do not fit the installed TensorFlow.
      InvalidArgumentError: the environment or the options make no sense.
      DeadlineError: a rank did not come in time.
      TypeError: an argument of another strategy.
    """

    def __init__(
        self,
        options: Options | None = None,
        cluster_resolver: Any = None,
        communication_options: Any = None,
        **others: Any,
    ) -> None:
        foreign_arguments.refuse(options, others)
        place = foreign_arguments.place(cluster_resolver)
        if communication_options is not None:
            options = foreign_arguments.translated(options, communication_options)
        ops.load()
        self._options = options if options is not None else Options.from_environment()
        here = from_environment() if place is None else place
        device = choose_device(here, self._options)
        self._engine = join(options, device.ordinal, place)
        _check_gpu(self._engine, device, self._options)
        super().__init__(DDLExtended(self, self._engine, device.name, self._options))
        agree_on_checks(self._engine, self._options)
        self.extended._cluster_resolver = foreign_arguments.resolver(self._engine, cluster_resolver)
        seeds.agree(self._engine)
        registry.install_all(self.size)

    def __repr__(self) -> str:
        return (
            f"<tf_ddl.DDLStrategy rank {self.rank} of {self.size} "
            f"on {self.extended.worker_devices[0]}>"
        )

    @property
    def rank(self) -> int:
        """This process's number, 0 to `size` - 1."""
        return self._engine.rank

    @property
    def size(self) -> int:
        """Number of processes, which is the number of replicas."""
        return self._engine.size

    @property
    def options(self) -> Options:
        """What the strategy was created with."""
        return self._options

    def run(
        self,
        fn: Callable[..., Any],
        args: Any = (),
        kwargs: dict[str, Any] | None = None,
        options: Any = None,
    ) -> Any:
        """Runs `fn(*args, **kwargs)` on this rank, in a replica context.

        Args:
          fn: the function; it may call `tf.distribute.get_replica_context().all_reduce` and the
            like, as often and in the same order on every rank.
          args: list or tuple of positional arguments; this rank's.
          kwargs: keyword arguments.
          options: a `tf.distribute.RunOptions`; not used.

        Returns:
          What `fn` returns on this rank.

        Raises:
          ValueError: `fn` uses trainable variables that were not created under the scope.
          tf.errors.InvalidArgumentError: the replicas have drifted apart.
          tf.errors.UnavailableError: another rank died or failed; names it.
        """
        with self.extended.calling(fn):
            return super().run(fn, args=args, kwargs=kwargs, options=options)

    def reduce(self, reduce_op: Any, value: Any, axis: Any = None) -> Any:
        """Combines the ranks' values; every rank gets the result.

        Args:
          reduce_op: `tf.distribute.ReduceOp` or "SUM", "MEAN".
          value: nested structure of tensors, as `run` returns it.
          axis: None to combine across ranks only; an int or tuple of ints to reduce along these
            dimensions first, whose sizes may differ between ranks. A MEAN is over all elements.

        Returns:
          The same structure of tensors.

        Raises:
          RuntimeError: called inside `run`; use the replica context's `all_reduce` there.
        """
        private_api.require_cross_replica_or_default(self.extended)
        name = collectives.reduce_op_name(reduce_op)
        if axis is None:
            return collectives.all_reduce(self._engine, value, name)
        leaves = [tf.convert_to_tensor(leaf) for leaf in tf.nest.flatten(value)]
        sums = [tf.reduce_sum(leaf, axis=axis) for leaf in leaves]
        if name == "sum":
            return tf.nest.pack_sequence_as(
                value, collectives.all_reduce(self._engine, sums, "sum")
            )
        counts = [_elements_along(leaf, axis) for leaf in leaves]
        sums, counts = collectives.all_reduce(self._engine, (sums, counts), "sum")
        means = [tf.truediv(s, tf.cast(n, s.dtype)) for s, n in zip(sums, counts)]
        return tf.nest.pack_sequence_as(value, means)

    def gather(self, value: Any, axis: Any) -> Any:
        """Concatenates the ranks' values along `axis`, in rank order, on every rank.

        Args:
          value: nested structure of tensors with at least one dimension, of any dtype; sizes along
            `axis` may differ between ranks, the others not. Ragged and sparse tensors along axis 0.
          axis: int.

        Raises:
          RuntimeError: called inside `run`; use the replica context's `all_gather` there.
        """
        private_api.require_cross_replica_or_default(
            self.extended,
            "tf_ddl.DDLStrategy.gather cannot be called inside run; use "
            "tf.distribute.get_replica_context().all_gather() there",
        )
        return collectives.all_gather(self._engine, value, axis)

    def check(self, model: Any) -> None:
        """Looks for mistakes that make ranks train different models, and names them.

        Every rank must call it. Compared are all weights, the optimizers' variables, the model's
        and the optimizers' configurations and what `compile` was given, and versions. Before a
        model's first training step the same is done without being asked, but for the variables of
        optimizers that have not made a step: see `Options.check_first_step`.

        Args:
          model: a Keras model that is built, a `tf.Module`, or a list of variables.

        Raises:
          InvalidArgumentError: on every rank alike; lists what is wrong, on which ranks, and what
            to do: weights that differ between ranks, variables that were made outside of the
            scope, models, optimizers or settings that differ.
          RuntimeError: called in a `tf.function` or in `run`.
        """
        check_model(self._engine, model, self.extended.is_own)

    def stats(self) -> dict[str, Any]:
        """What this rank has communicated since the start; see docs/architecture.md."""
        return self._engine.stats()

    def explain(self, bucket_bytes: int = 4 << 20) -> str:
        """Which plans are used and why: topology, links, candidates, what was measured.

        Args:
          bucket_bytes: size of the bucket whose candidates are shown with their predicted times.

        Returns:
          Text for people. Predictions on rank 0 are by the links as corrected while training, on
          other ranks by those measured at the start.
        """
        state = self._engine.plans()
        if state and self._engine.gpu is not None:
            state["why_by_host"] = self._engine.gpu.reason
        return explain.explain(state, bucket_bytes)

    def record_timeline(self, enabled: bool = True) -> None:
        """Starts or stops recording for `timeline()`."""
        self._engine.record_timeline(enabled)

    def timeline(self) -> list[dict[str, Any]]:
        """The recorded calls: when gradients arrived, when buckets started and ended.

        Returns:
          One entry per recorded call, oldest first; times in seconds of the monotonic clock.
        """
        return self._engine.timeline()


def _elements_along(value: tf.Tensor, axis: Any) -> tf.Tensor:
    axes = [axis] if isinstance(axis, int) else list(axis)
    rank = value.shape.rank
    if rank is not None:
        for one in axes:
            if not -rank <= one < rank:
                raise ValueError(f"axis {one} is out of range for a value of {rank} dimensions")
    shape = tf.shape(value, out_type=tf.int64)
    return tf.reduce_prod(tf.gather(shape, [one % tf.rank(value) for one in axes]))


def _check_gpu(engine: Engine, device: Device, options: Options) -> None:
    """Whether the engine was made for the strategy's GPU."""
    if device.ordinal < 0 or engine.gpu is not None or options.gpu_reduction == "host":
        return
    text = (
        "this process joined its job before the strategy was made, and without its GPU "
        "(tf_ddl.collective.init): gradients are reduced by way of host memory. Make the "
        "tf_ddl.DDLStrategy first"
    )
    if options.gpu_reduction == "nccl":
        raise errors.InvalidArgumentError(f"gpu_reduction='nccl', but {text}")
    warnings.warn(text, stacklevel=3)
