"""What every launcher module gives: an `Identity`, read from environment variables."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from tf_ddl import errors

__all__ = ["Identity", "IdentitySource", "check_host_and_port", "whole_number"]


@dataclasses.dataclass(frozen=True)
class Identity:
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


class IdentitySource(abc.ABC):
    """One way in which a process learns its place: one launcher's environment variables.

    Attributes:
      variables: (name, meaning) of each variable that is read, for docs/environment.md.
    """

    variables: ClassVar[tuple[tuple[str, str], ...]] = ()

    @abc.abstractmethod
    def is_present(self, environ: Mapping[str, str]) -> bool:
        """Whether this launcher has started the process. Must not raise."""

    @abc.abstractmethod
    def read(self, environ: Mapping[str, str]) -> Identity:
        """The place in the job. Called only if `is_present`.

        Raises:
          InvalidArgumentError: a variable is missing or makes no sense; the message names it.
        """


def whole_number(environ: Mapping[str, str], name: str, at_least: int) -> int:
    """The number that the variable `name` holds.

    Raises:
      InvalidArgumentError: it is no whole number, or less than `at_least`; names the variable.
    """
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
