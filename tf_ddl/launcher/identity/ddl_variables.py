"""tf_ddl's own variables: four are enough to start a process by hand, on any host."""

from __future__ import annotations

from collections.abc import Mapping

from tf_ddl import errors
from tf_ddl.launcher.identity.source import (
    Identity,
    IdentitySource,
    check_host_and_port,
    whole_number,
)

__all__ = ["DDLVariables"]

_REQUIRED = ("DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS", "DDL_SECRET")
_HOW_TO_START = (
    "Start the script with `ddlrun -np N script.py`, which sets all of them, or set "
    + ", ".join(_REQUIRED)
    + " for each process by hand."
)


class DDLVariables(IdentitySource):
    """tf_ddl's own variables, set by `ddlrun`, by `tf_ddl.launch` or by hand."""

    variables = (
        ("DDL_RANK", "This process's number in the job: 0 to `DDL_SIZE` - 1."),
        ("DDL_SIZE", "Number of processes of the job."),
        (
            "DDL_RENDEZVOUS",
            "`host:port` of the store through which the ranks find each other. Rank 0 opens it "
            "there unless `DDL_STORE` is `launcher`.",
        ),
        ("DDL_SECRET", "Any text, the same on every rank; every connection must prove to know it."),
        ("DDL_LOCAL_RANK", "Number of this process among those of its host. Set by `ddlrun`."),
        ("DDL_LOCAL_SIZE", "Number of processes of the job on this host. Set by `ddlrun`."),
        ("DDL_STORE", "`launcher`: the launcher runs the store, rank 0 does not. Set by `ddlrun`."),
    )

    def is_present(self, environ: Mapping[str, str]) -> bool:
        # A secret alone goes with any way to describe a job.
        return any(name in environ for name in _REQUIRED if name != "DDL_SECRET")

    def read(self, environ: Mapping[str, str]) -> Identity:
        missing = [name for name in _REQUIRED if not environ.get(name)]
        if missing:
            there = [name for name in _REQUIRED if name not in missing]
            raise errors.InvalidArgumentError(
                f"{', '.join(missing)} not set or empty, although "
                f"{', '.join(there) or 'some of the variables'} "
                f"{'is' if len(there) == 1 else 'are'} set. {_HOW_TO_START}"
            )
        size = whole_number(environ, "DDL_SIZE", at_least=1)
        rank = whole_number(environ, "DDL_RANK", at_least=0)
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
        return Identity(
            rank=rank,
            size=size,
            local_rank=local_rank,
            local_size=local_size,
            rendezvous=rendezvous,
            secret=environ["DDL_SECRET"],
            host_store=rank == 0 and store != "launcher",
        )


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
    local_size = whole_number(environ, "DDL_LOCAL_SIZE", at_least=1)
    local_rank = whole_number(environ, "DDL_LOCAL_RANK", at_least=0)
    if local_rank >= local_size or local_size > size:
        raise errors.InvalidArgumentError(
            f"DDL_LOCAL_RANK={local_rank} and DDL_LOCAL_SIZE={local_size} do not fit together or "
            f"not with DDL_SIZE={size}: local rank < local size <= size"
        )
    return local_rank, local_size
