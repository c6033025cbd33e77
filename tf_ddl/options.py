"""Settings of a job, each a documented field with an environment variable.

`Options()` holds exactly what it is given, `Options.from_environment()` starts from the
environment, and explicit arguments win. docs/environment.md contains `markdown_table()`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tf_ddl import errors
from tf_ddl._base.setting import Setting, documented, setting, settings_of

__all__ = ["Options", "Setting", "markdown_table", "settings"]

_NAMES = r"[^\s,]*(\s*,\s*[^\s,]+)*"


@documented
@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of a job; all ranks must use the same.

    Raises:
      InvalidArgumentError: a value is of the wrong type or out of range.
    """

    bucket_bytes: int = setting(
        4 << 20,
        "DDL_BUCKET_BYTES",
        "bytes",
        1,
        "Gradients travel in buckets of about this size. `4MiB` and the like are understood.",
    )
    first_bucket_bytes: int = setting(
        256 << 10,
        "DDL_FIRST_BUCKET_BYTES",
        "bytes",
        1,
        "Size of the bucket that is ready first in a step; small, to start early.",
    )
    timeout: float = setting(
        600.0,
        "DDL_TIMEOUT",
        "seconds",
        0.0,
        "How long a collective waits for the other ranks before the job fails.",
    )
    stall_warning: float = setting(
        60.0,
        "DDL_STALL_WARNING",
        "seconds",
        0.0,
        "After this time a waiting collective is reported: what waits, and for which ranks.",
    )
    join_timeout: float = setting(
        60.0,
        "DDL_JOIN_TIMEOUT",
        "seconds",
        0.0,
        "How long ranks wait for each other at the start.",
    )
    use_shared_memory: bool = setting(
        True,
        "DDL_SHM",
        "0 or 1",
        0,
        "Whether ranks of one host may use shared memory. 0: TCP.",
    )
    use_cma: bool = setting(
        True,
        "DDL_CMA",
        "0 or 1",
        0,
        "Whether ranks of one host may read each other's memory directly (cross-memory attach).",
    )
    huge_pages: bool = setting(
        True,
        "DDL_HUGE_PAGES",
        "0 or 1",
        0,
        "Whether the kernel is asked to put pages of 2 MiB under tensors that are read so.",
    )
    own_cores: bool = setting(
        True,
        "DDL_OWN_CORES",
        "0 or 1",
        0,
        "Whether the thread that moves data keeps to this rank's share of the host's cores, if "
        "several ranks share them and nobody has bound them.",
    )
    interfaces: str = setting(
        "",
        "DDL_INTERFACES",
        "names",
        0,
        "Network interfaces that may be used, such as `eth0,eth1`; empty: all.",
        _NAMES,
        wanted="names separated by commas, such as 'eth0,eth1'",
    )
    sockets_per_rail: int = setting(
        0,
        "DDL_SOCKETS_PER_RAIL",
        "sockets",
        0,
        "TCP connections between two hosts on each network that they share; 0: 2 with `autotune`, "
        "else 1. With `autotune` one is used at first, and more if that turns out better.",
    )
    topology: str = setting(
        "",
        "DDL_TOPOLOGY",
        "grid or file",
        0,
        "The grid of ranks, such as `4x8x8` (within a host, between near hosts, between far "
        "ones), or a JSON file (docs/plans.md); empty: as discovered.",
    )
    links: str = setting(
        "",
        "DDL_LINKS",
        "file",
        0,
        "Where measured links are kept: read at the start if it is there, else written then.",
    )
    measure_links: bool = setting(
        True,
        "DDL_MEASURE_LINKS",
        "0 or 1",
        0,
        "Whether links are measured at the start. 0: the usual costs are assumed.",
    )
    plan: str = setting(
        "",
        "DDL_PLAN",
        "name",
        0,
        "`direct`, `pairwise`, `halving-doubling`, `ring`, `rings`, `grid` or a grid such as "
        "`grid:4x2`: nothing else is used; empty: chosen by size.",
        r"(direct|pairwise|halving-doubling|rings?|grid(:\d+([xX]\d+)*)?)?",
        wanted="one of direct, pairwise, halving-doubling, ring, rings, grid and grid:4x2, or "
        "empty",
    )
    chunk_bytes: int = setting(
        0,
        "DDL_CHUNK_BYTES",
        "bytes",
        0,
        "Buckets are cut into chunks of about this size per rank, which overlap; 0: chosen.",
    )
    compression: str = setting(
        "",
        "DDL_COMPRESSION",
        "format",
        0,
        "`bf16` or `fp16`: float32 travels between hosts in 16 bits and is still added in 32, but "
        "on GPUs by NCCL in 16; empty: as it is.",
        r"(bf16|fp16)?",
        wanted="bf16, fp16 or empty",
    )
    autotune: bool = setting(
        True,
        "DDL_AUTOTUNE",
        "0 or 1",
        0,
        "Whether bucket size (unless it is set), chunk size, sockets and plans are tried in the "
        "first steps, and slow links planned around later. 0: everything stays as it begins.",
    )
    deterministic: bool = setting(
        False,
        "DDL_DETERMINISTIC",
        "0 or 1",
        0,
        "Whether sums must be equal bit for bit from run to run: nothing measured decides.",
    )
    gpu_reduction: str = setting(
        "auto",
        "DDL_GPU_REDUCTION",
        "name",
        0,
        "Gradients on GPUs. `auto`: by NCCL if every rank can use it, else by way of host memory, "
        "with a warning; `nccl`: by NCCL or not at all; `host`: by way of host memory.",
        "auto|nccl|host",
        wanted="auto, nccl or host",
    )
    share_gpus: bool = setting(
        False,
        "DDL_SHARE_GPUS",
        "0 or 1",
        0,
        "Whether ranks may share a GPU where a host has fewer GPUs than ranks.",
    )
    nccl_library: str = setting(
        "",
        "DDL_NCCL_LIBRARY",
        "file",
        0,
        "The `libnccl.so.2` to use; empty: that of the `nvidia-nccl` packages, else the system's.",
    )
    cuda_library: str = setting(
        "",
        "DDL_CUDA_LIBRARY",
        "file",
        0,
        "The CUDA driver's `libcuda.so.1` to use; empty: the system's.",
    )
    check_replicas_every: int = setting(
        1000,
        "DDL_CHECK_REPLICAS_EVERY",
        "steps",
        0,
        "Steps between two comparisons of the ranks' variables; 0: only at the first step.",
    )
    check_first_step: bool = setting(
        True,
        "DDL_CHECK_FIRST_STEP",
        "0 or 1",
        0,
        "Whether ranks compare weights and programs before a model's first training step.",
    )
    check_reductions: bool = setting(
        False,
        "DDL_CHECK_REDUCTIONS",
        "0 or 1",
        0,
        "Whether every all-reduce is compared with a simpler one, and gradients are searched for "
        "NaN and infinity. For finding faults: slow, and takes memory (docs/checks.md).",
    )

    def __post_init__(self) -> None:
        for one in settings():
            value = one.checked(getattr(self, one.field), f"Options.{one.field}")
            object.__setattr__(self, one.field, value)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] | None = None, **overrides: Any
    ) -> Options:
        """Options from environment variables; `overrides` (by field name) win.

        Args:
          environ: variables to read; default `os.environ`. Unset and empty ones are defaults.
          **overrides: values of fields; None means "not given".

        Raises:
          InvalidArgumentError: a value makes no sense, or a field is unknown; names it.
        """
        environ = os.environ if environ is None else environ
        known = {one.field: one for one in settings()}
        for field in overrides:
            if field not in known:
                raise errors.InvalidArgumentError(
                    f"Options has no field {field!r}; there are {', '.join(known)}"
                )
        values: dict[str, Any] = {}
        for field, one in known.items():
            if overrides.get(field) is not None:
                values[field] = overrides[field]
            elif environ.get(one.variable, "").strip():
                values[field] = one.parsed(environ[one.variable])
        return cls(**values)


def settings() -> tuple[Setting, ...]:
    """All fields of `Options`, in order."""
    return settings_of(Options)


def markdown_table() -> str:
    """The table of docs/environment.md, one line per setting."""
    lines = [
        "| variable | field of `Options` | unit | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for one in settings():
        default = one.default
        if one.kind is bool:
            default = int(default)
        elif one.kind is str:
            default = default or "empty"
        elif one.kind is float:
            default = f"{default:g}"
        lines.append(
            f"| `{one.variable}` | `{one.field}` | {one.unit} | {default} | {one.meaning} |"
        )
    return "\n".join(lines) + "\n"
