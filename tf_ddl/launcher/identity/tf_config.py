"""TensorFlow's way to describe a cluster: `TF_CONFIG`, and what cluster resolvers give.

Ranks are numbered chief first, then workers. The store is at rank 0's address: TensorFlow's own
strategies open a server there, a DDLStrategy does not, so that the port is free.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from tf_ddl import errors
from tf_ddl.launcher.identity.source import Identity, IdentitySource, check_host_and_port

__all__ = ["TFConfig", "from_cluster_spec", "from_tf_config"]

#: Tasks that train, in the order of their ranks; older programs call the chief master.
_TRAINING = ("chief", "master", "worker")
_LOOPBACK = ("localhost", "[::1]")


class TFConfig(IdentitySource):
    """TensorFlow's own variable, as for its MultiWorkerMirroredStrategy."""

    variables = (
        (
            "TF_CONFIG",
            "TensorFlow's description of the cluster and of this task of it, in JSON. Read if "
            "neither `DDL_RANK`, `DDL_SIZE` nor `DDL_RENDEZVOUS` is set; `DDL_SECRET` is used with "
            "it.",
        ),
    )

    def is_present(self, environ: Mapping[str, str]) -> bool:
        return bool(environ.get("TF_CONFIG", "").strip())

    def read(self, environ: Mapping[str, str]) -> Identity:
        return from_tf_config(environ["TF_CONFIG"], environ.get("DDL_SECRET", ""))


def from_tf_config(text: str, secret: str = "") -> Identity:
    """The place in the job that `TF_CONFIG` gives.

    Args:
      text: its value, JSON; without a "cluster" it is a world of one, as in TensorFlow.
      secret: the job's secret, where `DDL_SECRET` is set.

    Raises:
      InvalidArgumentError: it is no JSON, or makes no sense; says what.
    """
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise errors.InvalidArgumentError(f"TF_CONFIG is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise errors.InvalidArgumentError(f"TF_CONFIG must be a JSON object, not {text!r}")
    spec, task = config.get("cluster", {}), config.get("task", {})
    if not isinstance(spec, dict) or not isinstance(task, dict):
        raise errors.InvalidArgumentError(
            'TF_CONFIG: "cluster" and "task" must be objects, as in {"cluster": {"worker": '
            '["host-a:4711", "host-b:4711"]}, "task": {"type": "worker", "index": 0}}'
        )
    if not spec:
        return Identity()
    index = task.get("index")
    if isinstance(index, str) and index.isdigit():
        index = int(index)
    return from_cluster_spec(spec, task.get("type"), index, secret, "TF_CONFIG")


def from_cluster_spec(
    spec: Mapping[str, Any],
    task_type: str | None,
    task_id: int | None,
    secret: str = "",
    origin: str = "cluster_resolver",
) -> Identity:
    """The place of one task in a cluster.

    Args:
      spec: addresses "host:port" by type of task: lists, or dictionaries by index.
      task_type: "chief", "worker" (or "master"); an "evaluator" is a world of one.
      task_id: which of them.
      secret: the job's secret; "" derives one from the addresses.
      origin: what to call this in messages.

    Raises:
      InvalidArgumentError: something is missing or makes no sense.
    """
    if not spec:
        return Identity()
    if task_type is None or task_id is None:
        raise errors.InvalidArgumentError(
            f"{origin} describes a cluster, but not which task of it this process is: set the "
            'task\'s type and index ("task": {"type": "worker", "index": 0} in TF_CONFIG, '
            "task_type= and task_id= of a cluster resolver)"
        )
    if isinstance(task_id, bool) or not isinstance(task_id, int):
        raise errors.InvalidArgumentError(f"{origin}: task index {task_id!r} is not a whole number")
    if task_type == "evaluator":
        return Identity()
    if task_type == "ps" or "ps" in spec:
        raise errors.InvalidArgumentError(
            f"{origin} has parameter servers (ps). DDLStrategy has none: every process trains. "
            "List all of them as workers"
        )
    tasks = [
        (kind, index, address)
        for kind in _TRAINING
        for index, address in _by_index(spec.get(kind, ()), f"{origin}: {kind}")
    ]
    unknown = sorted(set(spec) - {*_TRAINING, "evaluator"})
    if unknown:
        raise errors.InvalidArgumentError(
            f"{origin} has tasks of type {', '.join(map(repr, unknown))}; "
            "those that train are 'chief' and 'worker'"
        )
    addresses = [check_host_and_port(address, f"{origin}: {k} {i}") for k, i, address in tasks]
    for address in addresses:
        if addresses.count(address) > 1:
            raise errors.InvalidArgumentError(
                f"{origin} lists {address} more than once; every task needs its own address"
            )
    places = [(kind, index) for kind, index, _ in tasks]
    if (task_type, task_id) not in places:
        known = ", ".join(f"{kind} {index}" for kind, index in places) or "none"
        raise errors.InvalidArgumentError(
            f"{origin}: this process is {task_type} {task_id}, which the cluster does not have; "
            f"it has: {known}"
        )
    rank = places.index((task_type, task_id))
    if len(places) == 1:
        return Identity()
    hosts = [address.rpartition(":")[0] for address in addresses]
    if not secret:
        secret = hashlib.sha256(json.dumps(addresses).encode()).hexdigest()
        if rank == 0 and not all(map(_is_loopback, hosts)):
            warnings.warn(
                f"{origin} carries no secret, so whoever knows the cluster's addresses could join "
                "the job; set DDL_SECRET to the same text on every worker",
                stacklevel=2,
            )
    return Identity(
        rank=rank,
        size=len(places),
        local_rank=hosts[:rank].count(hosts[rank]),
        local_size=hosts.count(hosts[rank]),
        rendezvous=addresses[0],
        secret=secret,
        host_store=rank == 0,
    )


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in _LOOPBACK


def _by_index(tasks: Any, what: str) -> list[tuple[int, str]]:
    if isinstance(tasks, Mapping):
        found = sorted((int(index), address) for index, address in tasks.items())
    elif isinstance(tasks, Sequence) and not isinstance(tasks, (str, bytes)):
        found = list(enumerate(tasks))
    else:
        found = [(0, None)]
    for _, address in found:
        if not isinstance(address, str):
            raise errors.InvalidArgumentError(
                f'{what} must be a list of addresses such as ["host-a:4711"], not {tasks!r}'
            )
    return found
