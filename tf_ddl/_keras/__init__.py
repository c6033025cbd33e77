"""What Keras 3 needs in order to be right on ranks whose batches differ in size.

Keras has no hooks for these things, so a few of its functions are wrapped, once, when the first
DDLStrategy is made. Under any other strategy, and without one, they do what they did.

* losses: the gradient counts by the rank's share of the rows, also in steps of the user's own.
* optimizers: gradients are clipped after they are reduced; dynamic loss scaling skips a step on
  all ranks or on none; gradients are known by their variables' paths in messages.
* trainer: `predict` gathers all rows; rank 0 shows the progress bar and writes the logs;
  `jit_compile=True` compiles what does not communicate.
* logs, on_batch: what steps of the user's own and `train_on_batch` report is of all ranks.
* callbacks: what one decides is decided for all ranks; what one does alone is an error.
* data: without a seed of the user's, ranks shuffle alike, and differently in each epoch.
* checks: a model from outside of the scope, or ranks whose models or optimizers differ, are named
  before anything is trained.
* scope: layers of the scope are built in it, wherever they are first called.
* normalization: `synchronized=True` means the statistics of the global batch.
* randomness: what is drawn within a step is drawn anew on each rank.
* saving: a saved file appears at once and whole, since every rank may be writing it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import threading
from collections.abc import Callable
from typing import Any

from tf_ddl import errors

__all__ = ["SUPPORTED_KERAS", "install"]

#: The Keras versions whose internals are known, as a requirement for pip.
SUPPORTED_KERAS = "keras>=3.10,<4"

_lock = threading.Lock()
_installed = False  # guarded by _lock


def install() -> None:
    """Wraps Keras' functions, if Keras is there and runs on TensorFlow. Idempotent.

    Raises:
      BuildError: this Keras lacks one of them.
    """
    global _installed
    with _lock:
        if _installed or importlib.util.find_spec("keras") is None:
            return
        import keras

        if int(keras.__version__.split(".")[0]) < 3:
            raise errors.BuildError(
                f"tf_ddl needs Keras 3, but {keras.__version__} is installed: "
                f"pip install '{SUPPORTED_KERAS}'"
            )
        if keras.backend.backend() != "tensorflow":
            return
        from tf_ddl._keras import (
            callbacks,
            checks,
            data,
            logs,
            losses,
            normalization,
            on_batch,
            optimizers,
            randomness,
            saving,
            scope,
            trainer,
        )

        for part in (
            losses,
            optimizers,
            trainer,
            logs,
            on_batch,
            callbacks,
            data,
            saving,
            scope,
            normalization,
            randomness,
            checks,
        ):
            for (module, path), wrapper in part.WRAPPERS.items():
                _wrap(keras.__version__, module, path, wrapper)
        _installed = True


def _wrap(version: str, module_name: str, path: str, wrapper: Callable[..., Any]) -> None:
    """Replaces `module.path` with a function that calls `wrapper(original, ...)`."""
    try:
        owner = importlib.import_module(module_name)
        *parents, name = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        original = inspect.getattr_static(owner, name)
    except (ImportError, AttributeError) as error:
        raise errors.BuildError(
            f"Keras {version} has no {module_name}.{path}, which tf_ddl adapts ({error}). "
            f"Install a supported version: pip install '{SUPPORTED_KERAS}'"
        ) from error

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    setattr(owner, name, wrapped)
