"""What can go wrong, as exceptions.

    DDLError(RuntimeError)
    |-- InvalidArgumentError(ValueError)   wrong input, or ranks disagree about it
    |-- PeerLostError(ConnectionError)     a rank died, left, or aborted the job
    |-- DeadlineError(TimeoutError)        something that waits ran out of time
    |-- NotInitializedError                used before init() or after shutdown()
    |-- SecretError(PermissionError)       the other side does not know the job's secret
    |-- DuplicateError                     a port in use, a rank that came twice
    |-- BuildError(ImportError)            a compiled library is missing or does not fit
    |-- WorkerError                        a worker of launch() or ddlrun failed
    `-- InternalError                      a bug in tf_ddl, or the system refused something

With TensorFlow, the classes of the first three are TensorFlow's as well, so that an error can be
caught by either name, before a step and in a graph alike: `tf.errors.InvalidArgumentError`,
`tf.errors.UnavailableError` and `tf.errors.DeadlineExceededError`.
"""

from __future__ import annotations

__all__ = [
    "BuildError",
    "DDLError",
    "DeadlineError",
    "DuplicateError",
    "InternalError",
    "InvalidArgumentError",
    "NotInitializedError",
    "PeerLostError",
    "SecretError",
    "WorkerError",
]


class DDLError(RuntimeError):
    """Base of every error that tf_ddl raises."""


class InvalidArgumentError(DDLError, ValueError):
    """The input is wrong, or the ranks disagree about it."""


class PeerLostError(DDLError, ConnectionError):
    """Another rank died, left early, or aborted the job."""


class DeadlineError(DDLError, TimeoutError):
    """Something that waits for other ranks ran out of time."""


class NotInitializedError(DDLError):
    """Used before `init()`, or after `shutdown()`."""


class SecretError(DDLError, PermissionError):
    """The other side does not know the job's secret (`DDL_SECRET`)."""


class DuplicateError(DDLError):
    """A port that is in use, or a rank that came twice."""


class BuildError(DDLError, ImportError):
    """A compiled library is missing, or was built for another TensorFlow."""


class WorkerError(DDLError):
    """A worker process failed.

    Attributes:
      rank: the first rank that failed.
      exit_code: its exit code (negative: minus the signal's number), or None.
      worker_traceback: the worker's own traceback, where there is one.
    """

    def __init__(
        self,
        message: str,
        rank: int,
        exit_code: int | None = None,
        worker_traceback: str = "",
    ) -> None:
        super().__init__(message)
        self.rank = rank
        self.exit_code = exit_code
        self.worker_traceback = worker_traceback


class InternalError(DDLError):
    """A bug in tf_ddl, or something that the operating system refused."""


#: Exception class by the core's status code (custom_ops/base/status.h).
BY_CODE: dict[int, type[DDLError]] = {
    1: InvalidArgumentError,
    2: PeerLostError,
    3: DeadlineError,
    4: NotInitializedError,
    5: SecretError,
    6: DuplicateError,
    7: PeerLostError,
    8: InternalError,
}
