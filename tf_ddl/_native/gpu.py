"""The core's part that knows GPUs, by way of ctypes: engines with one, groups in its memory."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from tf_ddl._native import library, nccl_library

__all__ = ["Gpu", "gpu_report"]

_REDUCTIONS = {"auto": 0, "nccl": 1, "host": 2}


class _Config(ctypes.Structure):
    _fields_ = [
        ("ordinal", ctypes.c_int32),
        ("reduction", ctypes.c_int32),
        ("nccl_libraries", ctypes.c_char_p),
        ("cuda_libraries", ctypes.c_char_p),
        ("only_nccl", ctypes.c_int32),
        ("only_cuda", ctypes.c_int32),
        ("share", ctypes.c_int32),
    ]


@functools.cache
def _declare() -> None:
    i64, text, size = ctypes.c_int64, ctypes.c_char_p, ctypes.c_size_t
    ref, void = ctypes.POINTER, ctypes.c_void_p
    library.declare(
        {
            "ddl_engine_create_with_gpu": (
                ctypes.c_int,
                [void, ref(_Config), ref(i64), ref(void), text, size],
            ),
            "ddl_register_device_group": (
                ctypes.c_int,
                [i64, text, ctypes.c_int, void, ctypes.c_int32, ref(ctypes.c_uint64), text, size],
            ),
            "ddl_gpu_report": (void, [ref(_Config)]),
        }
    )


def _config(ordinal: int, options: Any) -> _Config:
    nccl = [options.nccl_library] if options.nccl_library else nccl_library.installed()
    return _Config(
        ordinal=ordinal,
        reduction=_REDUCTIONS[options.gpu_reduction],
        nccl_libraries="\n".join(nccl).encode(),
        cuda_libraries=options.cuda_library.encode(),
        only_nccl=int(bool(options.nccl_library)),
        only_cuda=int(bool(options.cuda_library)),
        share=int(options.share_gpus),
    )


class Gpu:
    """The GPU of this process, before and after it has joined its job.

    Attributes:
      ordinal: its number, as the CUDA driver counts those that it shows to this process.
      used: whether gradients in its memory are reduced without visiting the host: the same on
        every rank. False until the job has been joined.
      description: of what reduces them: "NCCL 2.28.3, GPU 0 (NVIDIA H100), ...".
      reason: why they are not, where that was wanted; names the rank.
    """

    def __init__(self, ordinal: int, options: Any) -> None:
        self.ordinal = ordinal
        self._options = options
        self.used = False
        self.description = ""
        self.reason = ""

    def create_engine(self, config: Any, handle: ctypes.c_int64) -> None:
        """Joins the job; `config`: a `library.Config`, `handle`: where the engine's goes."""
        _declare()
        outcome = ctypes.c_void_p()
        library.call(
            "ddl_engine_create_with_gpu",
            ctypes.byref(config),
            ctypes.byref(_config(self.ordinal, self._options)),
            ctypes.byref(handle),
            ctypes.byref(outcome),
        )
        known = library.take_json(outcome.value)
        self.used = known["used"]
        self.description = known["description"]
        self.reason = known["reason"]

    def register_group(
        self, engine: int, key: bytes, op: int, specs: Any, count: int, group: Any
    ) -> None:
        """As `_native.engine.Engine.register_group`, of tensors in GPU memory."""
        _declare()
        library.call("ddl_register_device_group", engine, key, op, specs, count, group)


def gpu_report(options: Any) -> dict[str, Any]:
    """What is found of NCCL and the CUDA driver: custom_ops/nccl/libraries.h says what is in it."""
    _declare()
    return library.take_json(library.load().ddl_gpu_report(ctypes.byref(_config(-1, options))))
