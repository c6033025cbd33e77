"""What programs written for TensorFlow's own strategies pass to a strategy, and ask of it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from tf_ddl import errors
from tf_ddl._native.engine import Engine
from tf_ddl._tf.private_api import tf
from tf_ddl.launcher.identity import DDLVariables, Identity, TFConfig, from_environment, tf_config
from tf_ddl.options import Options

__all__ = ["place", "refuse", "resolver", "translated"]

#: Keyword arguments of other strategies: what to do instead.
_REFUSED = {
    "devices": "one process uses one device: start as many processes as there are devices, with "
    "`ddlrun -np N`",
    "cross_device_ops": "how gradients are reduced is chosen by measurement, or by "
    "Options(plan=...)",
    "communication": "how gradients are reduced is chosen by measurement, or by Options(plan=...)",
    "variable_partitioner": "every process has whole variables; leave it out",
    "tpu": "there is no TPU support",
    "tpu_cluster_resolver": "there is no TPU support",
}


def refuse(options: Any, others: Mapping[str, Any]) -> None:
    """Refuses arguments that belong to other strategies.

    Raises:
      TypeError: says what to do instead.
    """
    for name in others:
        advice = _REFUSED.get(name)
        if advice is None:
            raise TypeError(f"DDLStrategy takes no argument {name!r}")
        raise TypeError(f"DDLStrategy takes no argument {name!r}: {advice}")
    if options is None or isinstance(options, Options):
        return
    if isinstance(options, tf.distribute.cluster_resolver.ClusterResolver):
        raise TypeError(
            "DDLStrategy's first argument is a tf_ddl.Options; pass the resolver by its name: "
            "DDLStrategy(cluster_resolver=...)"
        )
    if isinstance(options, (list, tuple, str)):
        raise TypeError(
            f"DDLStrategy takes no list of devices ({options!r}): {_REFUSED['devices']}"
        )
    raise TypeError(f"options must be a tf_ddl.Options, not a {type(options).__name__}")


def place(cluster_resolver: Any) -> Identity | None:
    """This process's place in the job that a resolver describes; None leaves it to the environment.

    Raises:
      TypeError: it is no resolver.
      InvalidArgumentError: the resolver makes no sense, or contradicts the launcher.
    """
    if cluster_resolver is None:
        return None
    kinds = tf.distribute.cluster_resolver
    if not isinstance(cluster_resolver, kinds.ClusterResolver):
        raise TypeError(
            "cluster_resolver must be a tf.distribute.cluster_resolver.ClusterResolver, not a "
            f"{type(cluster_resolver).__name__}"
        )
    if isinstance(cluster_resolver, kinds.TPUClusterResolver):
        raise TypeError("DDLStrategy does not run on TPUs; use tf.distribute.TPUStrategy")
    spec = cluster_resolver.cluster_spec().as_dict()  # some learn their task only by this
    if not spec:
        return None
    given = tf_config.from_cluster_spec(
        spec,
        cluster_resolver.task_type,
        cluster_resolver.task_id,
        os.environ.get("DDL_SECRET", ""),
        f"the {type(cluster_resolver).__name__}",
    )
    if not DDLVariables().is_present(os.environ):
        return given
    launched = from_environment()
    if (given.rank, given.size) != (launched.rank, launched.size):
        raise errors.InvalidArgumentError(
            f"the cluster_resolver says that this is rank {given.rank} of {given.size}, DDL_RANK "
            f"and DDL_SIZE say rank {launched.rank} of {launched.size}. Use one of them: start the "
            "script without ddlrun, or leave cluster_resolver out"
        )
    return launched


def resolver(engine: Engine, given: Any) -> Any:
    """What `strategy.cluster_resolver` gives: programs ask it whether they are the chief.

    That which was given, or one for TF_CONFIG; else one with the tasks "worker 0" and so on, by
    rank.
    """
    launched = DDLVariables().is_present(os.environ)
    if given is None and not launched and TFConfig().is_present(os.environ):
        given = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if given is not None and given.cluster_spec().as_dict():
        return given
    workers = [f"rank{rank}" for rank in range(engine.size)]
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": workers}), task_type="worker", task_id=engine.rank
    )


def translated(options: Options | None, communication: Any) -> Options:
    """Options with what a `tf.distribute.experimental.CommunicationOptions` says.

    Raises:
      TypeError: it is something else.
    """
    # The public name is that of a function that makes them.
    if not isinstance(communication, type(tf.distribute.experimental.CommunicationOptions())):
        raise TypeError(
            "communication_options must be a tf.distribute.experimental.CommunicationOptions, not "
            f"a {type(communication).__name__}; a DDLStrategy's own settings are tf_ddl.Options"
        )
    said: dict[str, Any] = {}
    if communication.bytes_per_pack:
        said["bucket_bytes"] = int(communication.bytes_per_pack)
    if communication.timeout_seconds:
        said["timeout"] = float(communication.timeout_seconds)
    if options is not None and said:
        fields = ", ".join(f"{name}={value!r}" for name, value in said.items())
        raise TypeError(f"give options or communication_options, not both: Options({fields})")
    wish = getattr(communication.implementation, "name", str(communication.implementation))
    if wish != "AUTO":
        warnings.warn(
            f"communication_options: implementation {wish} is not used; DDLStrategy chooses how to "
            "communicate by measurement (strategy.explain() shows it)",
            stacklevel=3,
        )
    return Options.from_environment(**said) if options is None else options
