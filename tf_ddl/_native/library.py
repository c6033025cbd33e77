"""libtf_ddl_core.so by way of ctypes: loading it, calling it, taking what it returns.

The functions are those of custom_ops/capi/ddl.h. Nothing here, nor there, knows TensorFlow.
"""

from __future__ import annotations

import ctypes
import functools
import json
import pathlib
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_ddl import errors

__all__ = [
    "CORE",
    "OPS",
    "Config",
    "Tensor",
    "address",
    "build_info",
    "call",
    "declare",
    "load",
    "path",
    "take_json",
]

#: Names of the compiled libraries.
CORE, OPS = "libtf_ddl_core.so", "libtf_ddl_ops.so"

_ERROR_BYTES = 4096


class Config(ctypes.Structure):
    _fields_ = [
        ("rank", ctypes.c_int32),
        ("size", ctypes.c_int32),
        ("rendezvous", ctypes.c_char_p),
        ("secret", ctypes.c_char_p),
        ("host_store", ctypes.c_int32),
        ("join_timeout", ctypes.c_double),
        ("use_shared_memory", ctypes.c_int32),
        ("use_cma", ctypes.c_int32),
        ("interfaces", ctypes.c_char_p),
        ("sockets_per_rail", ctypes.c_int32),
        ("bucket_bytes", ctypes.c_int64),
        ("first_bucket_bytes", ctypes.c_int64),
        ("timeout", ctypes.c_double),
        ("stall_warning", ctypes.c_double),
        ("grid", ctypes.c_char_p),
        ("topology", ctypes.c_char_p),
        ("links", ctypes.c_char_p),
        ("measure_links", ctypes.c_int32),
        ("plan", ctypes.c_char_p),
        ("chunk_bytes", ctypes.c_int64),
        ("compression", ctypes.c_int32),
        ("autotune", ctypes.c_int32),
        ("tune_buckets", ctypes.c_int32),
        ("deterministic", ctypes.c_int32),
        ("huge_pages", ctypes.c_int32),
        ("own_cores", ctypes.c_int32),
    ]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int32),
        ("dims", ctypes.c_int32),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
    ]


def path(name: str) -> pathlib.Path:
    """Where the build has put a compiled library, CORE or OPS."""
    return pathlib.Path(__file__).parent.parent / "_lib" / name


@functools.cache
def load() -> ctypes.CDLL:
    """The library, loaded, with the signatures of its functions.

    Raises:
      BuildError: it cannot be loaded.
    """
    try:
        # The ops library finds its engines in this one, so there must be one copy per process.
        loaded = ctypes.CDLL(str(path(CORE)), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise errors.BuildError(
            f"tf_ddl's core library cannot be loaded: {error}. Build and install the package "
            "again: pip install --force-reinstall --no-deps . (in its source folder)"
        ) from error
    i32, i64, u64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64
    text, size, void = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p
    ref = ctypes.POINTER
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "ddl_engine_create": (ctypes.c_int, [ref(Config), ref(i64), text, size]),
        "ddl_engine_shutdown": (ctypes.c_int, [i64]),
        "ddl_engine_abort": (ctypes.c_int, [i64, ctypes.c_int, text]),
        "ddl_engine_health": (ctypes.c_int, [i64, text, size]),
        "ddl_register_group": (
            ctypes.c_int,
            [i64, text, ctypes.c_int, ctypes.c_int, ctypes.c_int, ref(Tensor), i32, ref(u64)]
            + [text, size],
        ),
        "ddl_all_reduce": (
            ctypes.c_int,
            [i64, u64, text, i32, ref(void), ref(void), ref(i64), text, size],
        ),
        "ddl_broadcast": (ctypes.c_int, [i64, u64, text, void, void, i64, text, size]),
        "ddl_all_gather": (
            ctypes.c_int,
            [i64, u64, text, void, i64, size, ref(i64), ref(void), text, size],
        ),
        "ddl_free": (None, [void]),
        "ddl_engine_stats": (void, [i64]),
        "ddl_engine_plans": (void, [i64]),
        "ddl_engine_record_timeline": (ctypes.c_int, [i64, ctypes.c_int]),
        "ddl_engine_timeline": (void, [i64]),
        "ddl_store_create": (
            ctypes.c_int,
            [text, i32, i32, text, ctypes.c_double, ref(i64), ref(i32), text, size],
        ),
        "ddl_store_destroy": (ctypes.c_int, [i64]),
        "ddl_build_info": (text, []),
    }
    _declare(loaded, signatures)
    return loaded


def declare(signatures: Mapping[str, tuple[Any, list[Any]]]) -> None:
    """Tells ctypes the signatures of more of the library's functions.

    Args:
      signatures: type of the result, and types of the arguments, by the function's name.
    """
    _declare(load(), signatures)


def _declare(library: ctypes.CDLL, signatures: Mapping[str, tuple[Any, list[Any]]]) -> None:
    for name, (restype, argtypes) in signatures.items():
        function = getattr(library, name)
        function.restype = restype
        function.argtypes = argtypes


class _Messages(threading.local):
    """Where the core writes an error's text: one place per thread."""

    def __init__(self) -> None:
        self.buffer = ctypes.create_string_buffer(_ERROR_BYTES)


_messages = _Messages()


def call(name: str, *args: Any) -> None:
    """Calls a function whose last two parameters take the error's text; raises the error."""
    message = _messages.buffer
    code = getattr(load(), name)(*args, message, _ERROR_BYTES)
    if code != 0:
        text = message.value.decode("utf-8", "replace")
        raise errors.BY_CODE.get(code, errors.InternalError)(text)


def address(array: np.ndarray) -> int:
    """Where an array's elements are."""
    try:
        # A quarter of the time of the others, which write down all that there is to know.
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # read-only, empty, or of a dtype that has no buffers
        return array.__array_interface__["data"][0]


def take_json(pointer: int | None) -> Any:
    """What a text of the library says, which is given back to it.

    Raises:
      NotInitializedError: there is none, since there is no engine.
    """
    if not pointer:
        raise errors.NotInitializedError("tf_ddl is not initialised, or has been shut down")
    try:
        return json.loads(ctypes.string_at(pointer))
    finally:
        load().ddl_free(pointer)


def build_info() -> str:
    """The compiler that built the core."""
    return load().ddl_build_info().decode()
