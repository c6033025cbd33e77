"""Files that are written by callbacks, or by every rank at the same time.

The callbacks that save write on the first rank of each host: where all hosts share a file system
the others' files are the same, where they do not each host has its own. The exchange at the end
of the epoch (see `callbacks`) comes after the files are there.

A program that saves by itself does so on every rank, to one path. Each rank writes a file of its
own beside it and renames that: whoever reads the path finds a whole file, and the last writer's
has the same content. A rank may also save alone. For TensorFlow's checkpoints, and so for what
`export` writes, `_tf.private_api.save_checkpoints_whole` does the same.

What BackupAndRestore restores on rank 0 the others get from it (`callbacks`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import Any

from tf_ddl._base.adapter import Adapter
from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._keras.under_strategy import extended_of
from tf_ddl.replica.variables import is_adopted, made_here_alone

__all__ = ["ADAPTERS"]

_nothing_is_written = ScopedValue(False)
_ENDINGS = (".weights.h5", ".keras", ".h5", ".hdf5")


def _save(
    original: Callable[..., Any], model: Any, filepath: Any, *args: Any, **kwargs: Any
) -> Any:
    if _nothing_is_written.get():
        return None
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
    objects_to_skip: Any = None,
) -> Any:
    if max_shard_size is None:
        return _save(original, model, filepath, objects_to_skip=objects_to_skip)
    if _nothing_is_written.get():
        return None
    extended = extended_of(model)
    path = os.fspath(filepath)
    if extended is None or extended.engine.size == 1 or "://" in path:
        return original(model, filepath, max_shard_size, objects_to_skip)
    # Several files, and one that names them: that is the last to appear.
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.rank{extended.engine.rank}.{os.getpid()}")
    os.mkdir(part)
    try:
        original(model, os.path.join(part, name), max_shard_size, objects_to_skip)
        for file in sorted(os.listdir(part), key=lambda file: file.endswith(".json")):
            os.replace(os.path.join(part, file), os.path.join(folder, file))
    finally:
        shutil.rmtree(part)
    return None


def _variables_of_functions(original: Callable[..., Any], fns: Any) -> Any:
    """In one order on every rank, so that all export the same files and may mix them.

    TensorFlow gives them in the order of their addresses in memory.
    """
    found = original(fns)
    if not any(is_adopted(variable) for variables in found for variable in variables):
        return found
    return tuple(sorted(variables, key=lambda one: one.name) for variables in found)


def _writes(callback: Any) -> bool:
    extended = extended_of(callback.model)
    return extended is None or extended.engine.local_rank == 0


def _checkpoint(original: Callable[..., Any], callback: Any, *args: Any, **kwargs: Any) -> None:
    """ModelCheckpoint decides, counts and remembers on every rank, but writes on one of a host."""
    if _writes(callback):
        with made_here_alone():
            return original(callback, *args, **kwargs)
    verbose, callback.verbose = callback.verbose, 0
    try:
        with _nothing_is_written.set(True):
            return original(callback, *args, **kwargs)
    finally:
        callback.verbose = verbose


def _back_up(original: Callable[..., Any], callback: Any, *args: Any, **kwargs: Any) -> None:
    """BackupAndRestore's weights and its epoch change at the same time, or as good as."""
    if extended_of(callback.model) is None:
        return original(callback, *args, **kwargs)
    if not _writes(callback):
        return None
    paths = (callback._weights_path, callback._training_metadata_path)
    previous = (callback._prev_weights_path, callback._prev_training_metadata_path)
    parts = [os.path.join(callback.backup_dir, f"next.{os.path.basename(p)}") for p in paths]
    callback._weights_path, callback._training_metadata_path = parts
    try:
        with made_here_alone():
            original(callback, *args, **kwargs)
    finally:
        callback._weights_path, callback._training_metadata_path = paths
    for part, path, before in zip(parts, paths, previous):
        if callback.double_checkpoint and os.path.exists(path):
            shutil.copy(path, f"{before}.part")
            os.replace(f"{before}.part", before)
        os.replace(part, path)
    return None


def _on_writers(original: Callable[..., Any], callback: Any, *args: Any, **kwargs: Any) -> None:
    if _writes(callback):
        original(callback, *args, **kwargs)


def _restore(original: Callable[..., Any], callback: Any, *args: Any, **kwargs: Any) -> None:
    extended = extended_of(callback.model)
    others_get_it = getattr(callback, "_tf_ddl_exchanges", False)
    if extended is None or extended.engine.rank == 0 or not others_get_it:
        original(callback, *args, **kwargs)


_ARCHIVE = "keras.src.export.saved_model_export_archive"
_USED = "_list_variables_used_by_fns"
_BACKUP = "keras.src.callbacks.backup_and_restore"
ADAPTERS = (
    Adapter(_BACKUP, "BackupAndRestore._save_model", _back_up),
    Adapter(_BACKUP, "BackupAndRestore.on_train_begin", _restore),
    Adapter(_BACKUP, "BackupAndRestore.on_train_end", _on_writers),
    Adapter("keras.src.callbacks.model_checkpoint", "ModelCheckpoint._save_model", _checkpoint),
    Adapter(_ARCHIVE, _USED, _variables_of_functions, since=(3, 14)),
    Adapter("keras.src.export.saved_model", _USED, _variables_of_functions, before=(3, 14)),
    Adapter("keras.src.saving.saving_lib", "save_model", _save),
    Adapter("keras.src.saving.saving_lib", "save_weights_only", _save_weights),
    Adapter("keras.src.legacy.saving.legacy_h5_format", "save_model_to_hdf5", _save),
)
