"""`tf_ddl.launch`: runs a function in several worker processes, from Python or a notebook."""

from __future__ import annotations

import contextlib
import math
import pathlib
import pickle
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tf_ddl import errors, options
from tf_ddl.launcher.workers import call, console, environment, failures, supervisor

__all__ = ["launch"]

_SHOWN_LINES = 40


def launch(
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    num_workers: int = 2,
    *,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> list[Any]:
    """Runs `fn(*args)` in `num_workers` new processes of this host and returns all results.

        def train(epochs):
            strategy = tf_ddl.DDLStrategy()
            ...
            return history.history

        histories = tf_ddl.launch(train, (3,), num_workers=2)

    The workers are fresh interpreters, so it does not matter what this process has loaded. `fn`
    may be defined anywhere: in a notebook cell, inside a function, as a lambda. It is sent by
    value then, with the variables it uses; modules are imported again by each worker. Rank 0's
    output is shown as it comes; the others' is kept and shown if they fail. Workers have no
    standard input. Interrupting the call stops them.

    Args:
      fn: a function that cloudpickle can pickle.
      args: its arguments, the same for every rank; `tf_ddl.collective.rank()` tells ranks apart.
      num_workers: number of processes, at least 1.
      timeout: seconds after which all is stopped; None: no limit.
      env: environment variables for the workers, on top of this process's.

    Returns:
      What `fn` returned on each rank, by rank. Results travel pickled.

    Raises:
      WorkerError: a worker failed; carries the traceback of the first that did.
      DeadlineError: `timeout` seconds have passed.
      InvalidArgumentError: `fn` or `args` cannot be pickled, or an argument makes no sense.
      BuildError: tf_ddl's compiled library cannot be loaded.
    """
    payload = _payload(fn, args)
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 1:
        raise errors.InvalidArgumentError(f"num_workers={num_workers!r}: must be at least 1")
    if timeout is not None and not (timeout > 0 and math.isfinite(timeout)):
        raise errors.InvalidArgumentError(f"timeout={timeout!r}: must be greater than 0 or None")
    with tempfile.TemporaryDirectory(prefix="tf_ddl.") as name:
        directory = pathlib.Path(name)
        call.write(directory / call.CALL_FILE, payload)
        result = _run(directory, num_workers, timeout, env)
        return _results(directory, result, timeout)


def _payload(fn: Callable[..., Any], args: Sequence[Any]) -> bytes:
    import cloudpickle

    if not callable(fn):
        raise errors.InvalidArgumentError(f"launch needs a function, not {fn!r}")
    try:
        return cloudpickle.dumps((fn, tuple(args)))
    except Exception as error:
        raise errors.InvalidArgumentError(
            f"the function or its arguments cannot be sent to the workers: {error}. Make models, "
            "datasets and strategies inside the function; pass file names, arrays and numbers"
        ) from error


def _run(
    directory: pathlib.Path,
    num_workers: int,
    timeout: float | None,
    env: Mapping[str, str] | None,
) -> supervisor.JobResult:
    from tf_ddl._native.store import Store  # loads the compiled library

    extra = {str(key): str(value) for key, value in (env or {}).items()}
    job_options = options.Options.from_environment()
    secret = secrets.token_hex(16)
    store = Store(environment.HOST, 0, num_workers, secret, job_options.join_timeout)
    with contextlib.closing(store):
        environs = environment.worker_environments(
            num_workers, f"{environment.HOST}:{store.port}", secret, extra=extra
        )
        job = supervisor.Job([call.command(directory)] * num_workers, environs, timeout=timeout)
        return supervisor.run(job, console.FirstRank())


def _results(
    directory: pathlib.Path, result: supervisor.JobResult, timeout: float | None
) -> list[Any]:
    first = failures.first_failure(result)
    if first is not None:
        raise _worker_error(directory, result, first.rank)
    if result.timed_out:
        raise errors.DeadlineError(
            f"launch: stopped after {timeout:g} s (timeout)\n{_last_lines(result)}"
        )
    values = []
    for exit_ in result.exits:
        file = call.result_file(directory, exit_.rank)
        if not file.exists():
            raise errors.WorkerError(
                f"rank {exit_.rank} ended with {exit_.reason} before the function returned",
                exit_.rank,
                exit_.code,
            )
        try:
            values.append(pickle.loads(file.read_bytes()))
        except Exception as error:
            raise errors.WorkerError(
                f"rank {exit_.rank} returned something that this process cannot unpickle: {error}",
                exit_.rank,
                exit_.code,
            ) from error
    return values


def _worker_error(
    directory: pathlib.Path, result: supervisor.JobResult, rank: int
) -> errors.WorkerError:
    exit_ = result.exits[rank]
    file = call.error_file(directory, rank)
    if file.exists():
        text = file.read_text(encoding="utf-8", errors="replace")
        message = f"rank {rank} of {len(result.exits)} raised an exception:\n\n{text}"
    else:
        text = ""
        message = failures.summary(result)
    return errors.WorkerError(message.rstrip("\n"), rank, exit_.code, text)


def _last_lines(result: supervisor.JobResult) -> str:
    lines = []
    for rank, tail in enumerate(result.tails):
        lines.append(f"last lines of rank {rank}:")
        lines += [f"  | {line}" for line in tail[-_SHOWN_LINES // len(result.tails) :]]
    return "\n".join(lines)
