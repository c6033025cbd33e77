"""Who am I: this process's place in the job, from what its launcher put into the environment.

`ddlrun` sets everything. By hand, on any host, four variables are enough: `DDL_RANK`, `DDL_SIZE`,
`DDL_RENDEZVOUS` and `DDL_SECRET`; or TensorFlow's `TF_CONFIG`. With none of them set a process is a
world of one.

A launcher is one small `ClusterSource`: a class that says whether its variables are there and
turns them into a `Cluster`. `SOURCES` lists them in the order in which they are asked.
"""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Mapping

from tf_ddl import errors

__all__ = [
    "SOURCES",
    "VARIABLES",
    "Cluster",
    "ClusterSource",
    "check_host_and_port",
    "from_environment",
]

#: (variable, meaning) of every environment variable read here; docs/environment.md lists them.
VARIABLES: tuple[tuple[str, str], ...] = (
    ("DDL_RANK", "This process's number in the job: 0 to `DDL_SIZE` - 1."),
    ("DDL_SIZE", "Number of processes of the job."),
    (
        "DDL_RENDEZVOUS",
        "`host:port` of the store through which the ranks find each other. Rank 0 opens it there "
        "unless `DDL_STORE` is `launcher`.",
    ),
    ("DDL_SECRET", "Any text, the same on every rank; every connection must prove to know it."),
    ("DDL_LOCAL_RANK", "Number of this process among those of its host. Set by `ddlrun`."),
    ("DDL_LOCAL_SIZE", "Number of processes of the job on this host. Set by `ddlrun`."),
    ("DDL_STORE", "`launcher`: the launcher runs the store, rank 0 does not. Set by `ddlrun`."),
    (
        "TF_CONFIG",
        "TensorFlow's description of the cluster and of this task of it, in JSON. Read if neither "
        "`DDL_RANK`, `DDL_SIZE` nor `DDL_RENDEZVOUS` is set; `DDL_SECRET` is used with it.",
    ),
)

_REQUIRED = ("DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS", "DDL_SECRET")
_HOW_TO_START = (
    "Start the script with `ddlrun -np N script.py`, which sets all of them, or set "
    + ", ".join(_REQUIRED)
    + " for each process by hand."
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A process's place in a job.

    Attributes:
      rank: this process's number, 0 <= rank < size.
      size: number of processes of the job.
      local_rank: number among the processes of this host, 0 <= local_rank < local_size.
      local_size: number of processes of the job on this host.
      rendezvous: "host:port" of the store; "" in a world of one that nobody launched.
      secret: the job's secret; never shown by `repr`.
      host_store: whether this process has to open the store (rank 0, unless the launcher did).
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    rendezvous: str = ""
    secret: str = dataclasses.field(default="", repr=False)
    host_store: bool = False


class ClusterSource(abc.ABC):
    """One way in which a process learns its place: one launcher's environment variables."""

    @abc.abstractmethod
    def is_present(self, environ: Mapping[str, str]) -> bool:
        """Whether this launcher has started the process. Must not raise."""

    @abc.abstractmethod
    def read(self, environ: Mapping[str, str]) -> Cluster:
        """The place in the job. Called only if `is_present`.

        Raises:
          InvalidArgumentError: a variable is missing or makes no sense; the message names it.
        """


class DDLEnvironment(ClusterSource):
    """tf_ddl's own variables, set by `ddlrun`, by `tf_ddl.launch` or by hand."""

    def is_present(self, environ: Mapping[str, str]) -> bool:
        if self.says_who(environ):
            return True
        return "DDL_SECRET" in environ and not TFConfig().is_present(environ)

    def says_who(self, environ: Mapping[str, str]) -> bool:
        """Whether there is more than a secret, which goes with any way to describe a job."""
        return any(name in environ for name in _REQUIRED if name != "DDL_SECRET")

    def read(self, environ: Mapping[str, str]) -> Cluster:
        missing = [name for name in _REQUIRED if not environ.get(name)]
        if missing:
            there = [name for name in _REQUIRED if name not in missing]
            raise errors.InvalidArgumentError(
                f"{', '.join(missing)} not set or empty, although "
                f"{', '.join(there) or 'some of the variables'} "
                f"{'is' if len(there) == 1 else 'are'} set. {_HOW_TO_START}"
            )
        size = _integer(environ, "DDL_SIZE", at_least=1)
        rank = _integer(environ, "DDL_RANK", at_least=0)
        if rank >= size:
            raise errors.InvalidArgumentError(
                f"DDL_RANK={rank} is not below DDL_SIZE={size}: ranks count from 0 to {size - 1}"
            )
        rendezvous = check_host_and_port(environ["DDL_RENDEZVOUS"], "DDL_RENDEZVOUS=")
        store = environ.get("DDL_STORE", "")
        if store not in ("", "launcher"):
            raise errors.InvalidArgumentError(
                f"DDL_STORE={store!r}: only 'launcher' (the launcher runs the store) is known; "
                "leave it unset to let rank 0 run it"
            )
        local_rank, local_size = _local(environ, rank, size, rendezvous)
        return Cluster(
            rank=rank,
            size=size,
            local_rank=local_rank,
            local_size=local_size,
            rendezvous=rendezvous,
            secret=environ["DDL_SECRET"],
            host_store=rank == 0 and store != "launcher",
        )


class TFConfig(ClusterSource):
    """TensorFlow's own variable, as for its MultiWorkerMirroredStrategy."""

    def is_present(self, environ: Mapping[str, str]) -> bool:
        return bool(environ.get("TF_CONFIG", "").strip())

    def read(self, environ: Mapping[str, str]) -> Cluster:
        from tf_ddl import _tf_config  # which needs this module

        return _tf_config.from_tf_config(environ["TF_CONFIG"], environ.get("DDL_SECRET", ""))


#: Asked in this order; the first that is present decides.
SOURCES: tuple[ClusterSource, ...] = (DDLEnvironment(), TFConfig())


def from_environment(environ: Mapping[str, str] | None = None) -> Cluster:
    """This process's place in the job; a world of one if no launcher started it.

    Args:
      environ: variables to read; default `os.environ`.

    Raises:
      InvalidArgumentError: a variable is missing or makes no sense; the message names it.
    """
    environ = os.environ if environ is None else environ
    for source in SOURCES:
        if source.is_present(environ):
            return source.read(environ)
    return Cluster()


def _integer(environ: Mapping[str, str], name: str, at_least: int) -> int:
    text = environ[name]
    try:
        value = int(text)
    except ValueError:
        value = at_least - 1
    if value < at_least:
        raise errors.InvalidArgumentError(
            f"{name}={text!r} is not a whole number of at least {at_least}"
        )
    return value


def check_host_and_port(text: str, origin: str) -> str:
    """`text`, if it is "host:port".

    Raises:
      InvalidArgumentError: it is not; the message begins with `origin`.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit():
        problem = "is not host:port, as in 10.0.0.1:4711 or [::1]:4711"
    elif ":" in host and not (host.startswith("[") and host.endswith("]")):
        problem = "is an IPv6 address without brackets; write [address]:port"
    elif not 1 <= int(port) <= 65535:
        problem = "has a port outside 1 to 65535"
    else:
        return text
    space = "" if origin.endswith("=") else " "
    raise errors.InvalidArgumentError(f"{origin}{space}{text!r} {problem}")


def _local(environ: Mapping[str, str], rank: int, size: int, rendezvous: str) -> tuple[int, int]:
    given = [name for name in ("DDL_LOCAL_RANK", "DDL_LOCAL_SIZE") if environ.get(name)]
    if not given:
        # A store on the loopback device can be reached from one host only, so all ranks are here.
        host = rendezvous.rpartition(":")[0]
        one_host = host.startswith("127.") or host in ("localhost", "[::1]")
        return (rank, size) if one_host else (0, 1)
    if len(given) == 1:
        raise errors.InvalidArgumentError(
            f"{given[0]} is set without the other one of DDL_LOCAL_RANK and DDL_LOCAL_SIZE"
        )
    local_size = _integer(environ, "DDL_LOCAL_SIZE", at_least=1)
    local_rank = _integer(environ, "DDL_LOCAL_RANK", at_least=0)
    if local_rank >= local_size or local_size > size:
        raise errors.InvalidArgumentError(
            f"DDL_LOCAL_RANK={local_rank} and DDL_LOCAL_SIZE={local_size} do not fit together or "
            f"not with DDL_SIZE={size}: local rank < local size <= size"
        )
    return local_rank, local_size
