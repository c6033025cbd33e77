"""Functions of TensorFlow's own that are wrapped in a job of several ranks.

They concern the whole process: a checkpoint, a `tf.function` or an error does not say whose it is.
Where nothing of ours is involved they do what they did.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import Any

from tf_ddl._base.adapter import Adapter
from tf_ddl._native import process_engine
from tf_ddl._tf import failures, ops, private_api
from tf_ddl._tf.private_api import tf

__all__ = ["ADAPTERS"]


def _save_whole(
    original: Callable[..., Any], saver: Any, file_prefix: Any, options: Any = None
) -> Any:
    """Lets all ranks save a checkpoint to one path at the same time, as unchanged programs do.

    TensorFlow writes to the path itself, where another rank may be writing or reading. So each rank
    writes its own files beside it and renames them; ranks save the same. Graphs save as they did.
    """
    if not tf.executing_eagerly() or process_engine.joined_size() < 2:
        return original(saver, file_prefix, options)
    path = tf.compat.as_str(tf.get_static_value(tf.convert_to_tensor(file_prefix)))
    if "://" in path:
        return original(saver, file_prefix, options)
    own = f"{path}.of_rank_{process_engine.current_engine().rank}"
    try:
        result = original(saver, tf.constant(own), options)
        # The index last: what it tells of is there then.
        for file in sorted(glob.glob(f"{glob.escape(own)}.*"), key=lambda f: f[-6:] == ".index"):
            os.replace(file, path + file[len(own) :])
    finally:
        for file in glob.glob(f"{glob.escape(own)}.*"):
            os.remove(file)
    return result


def _call_flat(original: Callable[..., Any], function: Any, *args: Any, **kwargs: Any) -> Any:
    """A function in which ranks communicate is announced, if it is called in a callback."""
    if tf.executing_eagerly():
        ops.announce_function(function.graph)
    return original(function, *args, **kwargs)


ADAPTERS = (
    Adapter(private_api.SAVER, "MultiDeviceSaver.save", _save_whole),
    Adapter(private_api.FUNCTIONS, "ConcreteFunction._call_flat", _call_flat),
    Adapter(private_api.STATUS, "_status_to_exception", failures.of_status),
    Adapter(private_api.EXECUTION, "execute", failures.of_execution),
)
