"""Runs a pickled function in a worker, for `tf_ddl.launch`.

The function and its arguments lie in the file `call` of a directory, which gets `result.RANK` or
`error.RANK`. A file appears under its name only when it is complete.
"""

from __future__ import annotations

import os
import pathlib
import pickle
import sys
import traceback
import types
from typing import Any

import cloudpickle

__all__ = ["CALL_FILE", "command", "error_file", "result_file", "write"]

CALL_FILE = "call"


def command(directory: pathlib.Path) -> list[str]:
    """The command line of a worker that runs the call in `directory`.

    The worker searches modules where this process does, whatever has been done to `sys.path`.
    """
    run = "from tf_ddl.launcher.workers import call; call.main()"
    code = f"import sys; sys.path[:] = {sys.path!r}; {run}"
    return [sys.executable, "-c", code, str(directory)]


def result_file(directory: pathlib.Path, rank: int) -> pathlib.Path:
    """Holds the pickled result of `rank`."""
    return directory / f"result.{rank}"


def error_file(directory: pathlib.Path, rank: int) -> pathlib.Path:
    """Holds the traceback of `rank`, as text."""
    return directory / f"error.{rank}"


def write(path: pathlib.Path, data: bytes) -> None:
    """Writes a file that is there completely or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def main() -> None:
    """A worker's whole life."""
    directory, rank = pathlib.Path(sys.argv[1]), int(os.environ["DDL_RANK"])
    sys.argv[:] = [""]
    try:
        function, args = pickle.loads((directory / CALL_FILE).read_bytes())
        data = _pickled(function(*args), rank)
    except Exception as error:
        # The frames of this file say nothing to the user.
        error.__traceback__ = _below_this_file(error.__traceback__)
        text = "".join(traceback.format_exception(error))
        write(error_file(directory, rank), text.encode("utf-8", "replace"))
        sys.excepthook(type(error), error, error.__traceback__)  # also tells the other ranks
        sys.exit(1)
    write(result_file(directory, rank), data)


def _pickled(result: Any, rank: int) -> bytes:
    try:
        return cloudpickle.dumps(result)
    except Exception as error:
        raise TypeError(
            f"rank {rank}: the function's result, of type {type(result).__name__}, cannot be "
            f"pickled: {error}. Return numbers, arrays, or containers of them"
        ) from error


def _below_this_file(frames: types.TracebackType | None) -> types.TracebackType | None:
    kept = frames
    while kept is not None and kept.tb_frame.f_code.co_filename == __file__:
        kept = kept.tb_next
    return kept or frames
