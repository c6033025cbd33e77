"""All adapters of Keras and TensorFlow: which, in which order, and installing and undoing them.

Each module of this folder lists its own (`ADAPTERS`). The order matters only where two wrap the
same function; the later one is called first:

* `Trainer.compile`: `checks` forgets what it had compared, then `trainer` compiles in the scope.
* `Trainer._symbolic_build`: `checks` compares the ranks before `trainer` has the optimizer's
  variables made, which ranks whose optimizers differ would wait in.

tests/py/keras/test_registry.py holds that there are no others.
"""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Iterator

from tf_ddl import errors
from tf_ddl._base.adapter import Adapter, Installed, install
from tf_ddl._tf import adapters as tensorflow_adapters
from tf_ddl._tf.private_api import tf

__all__ = ["SUPPORTED_KERAS", "adapters", "install_all", "undo_all"]

#: The Keras versions whose internals are known: at least the first, below the second. Adapters of
#: what is not in all of them say in which it is.
SUPPORTED_KERAS = ((3, 10), (4,))

_lock = threading.Lock()
_keras: Installed | None = None  # guarded by _lock
_tensorflow: Installed | None = None  # guarded by _lock


def adapters() -> Iterator[Adapter]:
    """Those of Keras, in their order."""
    from tf_ddl._keras import (  # which import Keras
        callbacks,
        checks,
        data,
        logs,
        losses,
        normalization,
        optimizers,
        randomness,
        saving,
        scope,
        train_on_batch,
        trainer,
    )

    for module in (
        losses,
        optimizers,
        trainer,
        logs,
        train_on_batch,
        callbacks,
        data,
        saving,
        scope,
        normalization,
        randomness,
        checks,
    ):
        yield from module.ADAPTERS


def install_all(size: int) -> None:
    """Wraps the functions that a job of `size` ranks needs wrapped; all of them, or none.

    Keras' are left alone if it is not there, or does not run on TensorFlow; TensorFlow's own in a
    world of one. Idempotent.

    Raises:
      BuildError: the Keras or the TensorFlow that is installed lacks one of them.
    """
    global _keras, _tensorflow
    with _lock:
        made = None
        if size > 1 and _tensorflow is None:
            made = install(
                tensorflow_adapters.ADAPTERS,
                f"TensorFlow {tf.__version__}",
                _numbers(tf.__version__),
            )
        try:
            if _keras is None:
                _keras = _install_keras()
        except BaseException:
            if made is not None:
                made.undo()
            raise
        _tensorflow = made or _tensorflow


def undo_all() -> None:
    """Puts all functions back: afterwards Keras and TensorFlow are as they were. Idempotent."""
    global _keras, _tensorflow
    with _lock:
        if _keras is not None:
            from tf_ddl._keras import data

            _keras.undo()
            data.restore_shuffling()
        if _tensorflow is not None:
            _tensorflow.undo()
        _keras = _tensorflow = None


def _install_keras() -> Installed | None:
    if importlib.util.find_spec("keras") is None:
        return None
    import keras

    if keras.backend.backend() != "tensorflow":
        return None
    (low, high), version = SUPPORTED_KERAS, _numbers(keras.__version__)
    wanted = f"keras>={low[0]}.{low[1]},<{high[0]}"
    advice = f"Install a supported version: pip install '{wanted}'"
    if not low <= version < high:
        raise errors.BuildError(
            f"tf_ddl needs {wanted}, but {keras.__version__} is installed. {advice}"
        )
    try:
        return install(tuple(adapters()), f"Keras {keras.__version__}", version)
    except errors.BuildError as error:
        raise errors.BuildError(f"{error}. {advice}") from error


def _numbers(version: str) -> tuple[int, ...]:
    """(3, 16, 0) of "3.16.0.dev2026"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
