"""Which device a process computes on: the GPU of its local rank, or the CPU.

A process uses one GPU, which is chosen before TensorFlow has looked at any, so that it does not
take memory of the others'. Its memory is allocated as needed: NCCL wants some, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from tf_ddl import errors
from tf_ddl._tf import private_api
from tf_ddl._tf.private_api import tf
from tf_ddl.launcher.identity import Identity
from tf_ddl.options import Options

__all__ = ["Device", "choose_device"]


class Device(NamedTuple):
    """A device, as TensorFlow names it, and its number for the CUDA driver (-1: no GPU)."""

    name: str
    ordinal: int = -1


def choose_device(
    here: Identity, options: Options, environ: Mapping[str, str] | None = None
) -> Device:
    """The device of this process; TensorFlow sees no other GPU afterwards.

    Args:
      here: the process' place in the job.
      options: `share_gpus` and `gpu_reduction` matter.
      environ: variables to read; default `os.environ`.

    Raises:
      InvalidArgumentError: the host has fewer GPUs than ranks and they may not be shared, or NCCL
        is asked for and there is no GPU.
    """
    environ = os.environ if environ is None else environ
    visible = tf.config.get_visible_devices("GPU")
    if not visible:
        if options.gpu_reduction == "nccl":
            raise errors.InvalidArgumentError(
                f"gpu_reduction='nccl', but TensorFlow sees no GPU on rank {here.rank} "
                f"(local rank {here.local_rank}): install a TensorFlow for GPUs "
                "(pip install 'tensorflow[and-cuda]'), check nvidia-smi and CUDA_VISIBLE_DEVICES"
            )
        return Device(private_api.resolve_device("/device:CPU:0"))
    mine = visible[_place(len(visible), here, options, environ)]
    ordinal = int(mine.name.rpartition(":")[2])
    try:
        tf.config.set_visible_devices([mine], "GPU")
        try:
            tf.config.experimental.set_memory_growth(mine, True)
        except ValueError:  # the program has set a limit of its own: it has said what it wants
            pass
    except RuntimeError:  # TensorFlow has initialised its devices already, with all of them
        return Device(private_api.resolve_device(f"/device:GPU:{visible.index(mine)}"), ordinal)
    return Device(private_api.resolve_device("/device:GPU:0"), ordinal)


def _place(gpus: int, here: Identity, options: Options, environ: Mapping[str, str]) -> int:
    """Which of the `gpus` that this process sees is its own."""
    if here.local_size <= gpus:
        return here.local_rank
    # Some launchers show each process its own GPU and no other; ddlrun passes on what it was given.
    if gpus == 1 and environ.get("CUDA_VISIBLE_DEVICES") and environ.get("DDL_STORE") != "launcher":
        return 0
    if options.share_gpus:
        return here.local_rank % gpus
    raise errors.InvalidArgumentError(
        f"{here.local_size} ranks on this host, but only {gpus} GPU{'s' if gpus > 1 else ''} "
        f"(rank {here.rank}, local rank {here.local_rank}). Start one rank for each GPU, let ranks "
        "share them with DDL_SHARE_GPUS=1, or compute on the CPU with CUDA_VISIBLE_DEVICES=-1"
    )
