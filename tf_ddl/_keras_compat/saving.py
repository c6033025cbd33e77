"""Files that every rank writes at the same time.

Unchanged code saves on every rank, to one path. Each rank writes a file of its own beside it and
renames that: whoever reads the path finds a whole file, and the last writer's has the same content.
A rank may also save alone. The folder of BackupAndRestore is written and removed by rank 0.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from tf_ddl._keras_compat.trainer import extended_of

__all__ = ["WRAPPERS"]

_ENDINGS = (".weights.h5", ".keras", ".h5", ".hdf5")


def _save(
    original: Callable[..., Any], model: Any, filepath: Any, *args: Any, **kwargs: Any
) -> Any:
    extended = extended_of(model)
    path = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else ""
    ending = next((end for end in _ENDINGS if path.endswith(end)), None)
    if extended is None or extended.engine.size == 1 or ending is None or "://" in path:
        return original(model, filepath, *args, **kwargs)
    folder, name = os.path.split(path)
    part = f".{name[: -len(ending)]}.rank{extended.engine.rank}.{os.getpid()}{ending}"
    part = os.path.join(folder, part)
    try:
        result = original(model, part, *args, **kwargs)
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
    return result


def _save_weights(
    original: Callable[..., Any],
    model: Any,
    filepath: Any,
    max_shard_size: float | None = None,
    **kwargs: Any,
) -> Any:
    if max_shard_size is not None:  # several files that name each other
        return original(model, filepath, max_shard_size, **kwargs)
    return _save(original, model, filepath, **kwargs)


def _on_rank_0(original: Callable[..., Any], callback: Any, *args: Any, **kwargs: Any) -> None:
    extended = extended_of(callback.model)
    if extended is None or extended.engine.rank == 0:
        original(callback, *args, **kwargs)


_BACKUP = "keras.src.callbacks.backup_and_restore"
WRAPPERS = {
    (_BACKUP, "BackupAndRestore._save_model"): _on_rank_0,
    (_BACKUP, "BackupAndRestore.on_train_end"): _on_rank_0,
    ("keras.src.saving.saving_lib", "save_model"): _save,
    ("keras.src.saving.saving_lib", "save_weights_only"): _save_weights,
    ("keras.src.legacy.saving.legacy_h5_format", "save_model_to_hdf5"): _save,
}
