"""Settings of a job, each a documented field with an environment variable.

`Options()` holds exactly what it is given, `Options.from_environment()` starts from the
environment, and explicit arguments win. docs/environment.md contains `markdown_table()`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tf_ddl import _setting_values, errors

__all__ = ["Options", "Setting", "markdown_table", "settings"]

_NAMES = r"[^\s,]*(\s*,\s*[^\s,]+)*"


def _setting(
    default: Any, variable: str, unit: str, least: float, meaning: str, pattern: str = ".*"
) -> Any:
    metadata = {
        "variable": variable,
        "unit": unit,
        "least": least,
        "meaning": meaning,
        "pattern": pattern,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of a job; all ranks must use the same.

    Attributes:
      bucket_bytes: gradients travel in buckets of about this many bytes. `DDL_BUCKET_BYTES`.
      first_bucket_bytes: bytes of the bucket that is ready first in a step; small, so that
        communication starts early. `DDL_FIRST_BUCKET_BYTES`.
      timeout: seconds that a collective waits for the other ranks before the job fails.
        `DDL_TIMEOUT`.
      stall_warning: seconds after which a waiting collective is reported. `DDL_STALL_WARNING`.
      join_timeout: seconds that ranks wait for each other at the start. `DDL_JOIN_TIMEOUT`.
      use_shared_memory: whether ranks of one host may exchange data through shared memory;
        without it they use TCP. `DDL_SHM`.
      use_cma: whether ranks of one host may read each other's memory directly (cross-memory
        attach). `DDL_CMA`.
      huge_pages: whether tensors that are read so get pages of 2 MiB (`MADV_COLLAPSE`).
        `DDL_HUGE_PAGES`.
      own_cores: whether the thread that moves data keeps to this rank's share of the host's cores,
        where several ranks share them and nobody has bound them. `DDL_OWN_CORES`.
      interfaces: names of the network interfaces that may be used, separated by commas, such as
        "eth0,eth1"; empty allows all. `DDL_INTERFACES`.
      sockets_per_rail: TCP connections between two hosts on each network that they share.
        `DDL_SOCKETS_PER_RAIL`.
      topology: the grid of ranks, such as "4x8x8", or a JSON file. `DDL_TOPOLOGY`.
      links: a file for what was measured of the links. `DDL_LINKS`.
      measure_links: whether they are measured at the start. `DDL_MEASURE_LINKS`.
      plan: the only plan to use, by name. `DDL_PLAN`.
      chunk_bytes: buckets are cut into chunks of this many bytes per rank. `DDL_CHUNK_BYTES`.
      compression: "bf16" or "fp16" for float32 on the wire. `DDL_COMPRESSION`.
      autotune: whether sizes and plans are found by measurement. `DDL_AUTOTUNE`.
      deterministic: whether sums must be equal from run to run. `DDL_DETERMINISTIC`.
      gpu_reduction: how gradients in GPU memory are reduced: "auto", "nccl" or "host".
        `DDL_GPU_REDUCTION`.
      share_gpus: whether several ranks may use one GPU. `DDL_SHARE_GPUS`.
      nccl_library: the file of NCCL to use. `DDL_NCCL_LIBRARY`.
      cuda_library: the file of the CUDA driver to use. `DDL_CUDA_LIBRARY`.
      check_replicas_every: steps between two comparisons of the ranks' variables; 0 compares
        only at the first step. `DDL_CHECK_REPLICAS_EVERY`.
      check_first_step: whether ranks compare weights and programs before they begin to train.
        `DDL_CHECK_FIRST_STEP`.
      check_reductions: whether every all-reduce is compared with a simpler one, and gradients are
        searched for NaN and infinity; slow. `DDL_CHECK_REDUCTIONS`.

    Raises:
      InvalidArgumentError: a value is of the wrong type or out of range.
    """

    bucket_bytes: int = _setting(
        4 << 20,
        "DDL_BUCKET_BYTES",
        "bytes",
        1,
        "Gradients travel in buckets of about this size. `4MiB` and the like are understood.",
    )
    first_bucket_bytes: int = _setting(
        256 << 10,
        "DDL_FIRST_BUCKET_BYTES",
        "bytes",
        1,
        "Size of the bucket that is ready first in a step; small, to start early.",
    )
    timeout: float = _setting(
        600.0,
        "DDL_TIMEOUT",
        "seconds",
        0.0,
        "How long a collective waits for the other ranks before the job fails.",
    )
    stall_warning: float = _setting(
        60.0,
        "DDL_STALL_WARNING",
        "seconds",
        0.0,
        "After this time a waiting collective is reported: what waits, and for which ranks.",
    )
    join_timeout: float = _setting(
        60.0,
        "DDL_JOIN_TIMEOUT",
        "seconds",
        0.0,
        "How long ranks wait for each other at the start.",
    )
    use_shared_memory: bool = _setting(
        True,
        "DDL_SHM",
        "0 or 1",
        0,
        "Whether ranks of one host may use shared memory. 0: TCP.",
    )
    use_cma: bool = _setting(
        True,
        "DDL_CMA",
        "0 or 1",
        0,
        "Whether ranks of one host may read each other's memory directly (cross-memory attach).",
    )
    huge_pages: bool = _setting(
        True,
        "DDL_HUGE_PAGES",
        "0 or 1",
        0,
        "Whether the kernel is asked to put pages of 2 MiB under tensors that are read so.",
    )
    own_cores: bool = _setting(
        True,
        "DDL_OWN_CORES",
        "0 or 1",
        0,
        "Whether the thread that moves data keeps to this rank's share of the host's cores, if "
        "several ranks share them and nobody has bound them.",
    )
    interfaces: str = _setting(
        "",
        "DDL_INTERFACES",
        "names",
        0,
        "Network interfaces that may be used, such as `eth0,eth1`; empty: all.",
        _NAMES,
    )
    sockets_per_rail: int = _setting(
        0,
        "DDL_SOCKETS_PER_RAIL",
        "sockets",
        0,
        "TCP connections between two hosts on each network that they share; 0: 2 with `autotune`, "
        "else 1. With `autotune` one is used at first, and more if that turns out better.",
    )
    topology: str = _setting(
        "",
        "DDL_TOPOLOGY",
        "grid or file",
        0,
        "The grid of ranks, such as `4x8x8` (within a host, between near hosts, between far "
        "ones), or a JSON file (docs/plans.md); empty: as discovered.",
    )
    links: str = _setting(
        "",
        "DDL_LINKS",
        "file",
        0,
        "Where measured links are kept: read at the start if it is there, else written then.",
    )
    measure_links: bool = _setting(
        True,
        "DDL_MEASURE_LINKS",
        "0 or 1",
        0,
        "Whether links are measured at the start. 0: the usual costs are assumed.",
    )
    plan: str = _setting(
        "",
        "DDL_PLAN",
        "name",
        0,
        "`direct`, `pairwise`, `halving-doubling`, `ring`, `rings`, `grid` or a grid such as "
        "`grid:4x2`: nothing else is used; empty: chosen by size.",
        r"(direct|pairwise|halving-doubling|rings?|grid(:\d+([xX]\d+)*)?)?",
    )
    chunk_bytes: int = _setting(
        0,
        "DDL_CHUNK_BYTES",
        "bytes",
        0,
        "Buckets are cut into chunks of about this size per rank, which overlap; 0: chosen.",
    )
    compression: str = _setting(
        "",
        "DDL_COMPRESSION",
        "format",
        0,
        "`bf16` or `fp16`: float32 travels between hosts in 16 bits and is still added in 32, but "
        "on GPUs by NCCL in 16; empty: as it is.",
        r"(bf16|fp16)?",
    )
    autotune: bool = _setting(
        True,
        "DDL_AUTOTUNE",
        "0 or 1",
        0,
        "Whether bucket size (unless it is set), chunk size, sockets and plans are tried in the "
        "first steps, and slow links planned around later. 0: everything stays as it begins.",
    )
    deterministic: bool = _setting(
        False,
        "DDL_DETERMINISTIC",
        "0 or 1",
        0,
        "Whether sums must be equal bit for bit from run to run: nothing measured decides.",
    )
    gpu_reduction: str = _setting(
        "auto",
        "DDL_GPU_REDUCTION",
        "name",
        0,
        "Gradients on GPUs. `auto`: by NCCL if every rank can use it, else by way of host memory, "
        "with a warning; `nccl`: by NCCL or not at all; `host`: by way of host memory.",
        "auto|nccl|host",
    )
    share_gpus: bool = _setting(
        False,
        "DDL_SHARE_GPUS",
        "0 or 1",
        0,
        "Whether ranks may share a GPU where a host has fewer GPUs than ranks.",
    )
    nccl_library: str = _setting(
        "",
        "DDL_NCCL_LIBRARY",
        "file",
        0,
        "The `libnccl.so.2` to use; empty: that of the `nvidia-nccl` packages, else the system's.",
    )
    cuda_library: str = _setting(
        "",
        "DDL_CUDA_LIBRARY",
        "file",
        0,
        "The CUDA driver's `libcuda.so.1` to use; empty: the system's.",
    )
    check_replicas_every: int = _setting(
        1000,
        "DDL_CHECK_REPLICAS_EVERY",
        "steps",
        0,
        "Steps between two comparisons of the ranks' variables; 0: only at the first step.",
    )
    check_first_step: bool = _setting(
        True,
        "DDL_CHECK_FIRST_STEP",
        "0 or 1",
        0,
        "Whether ranks compare weights and programs before a model's first training step.",
    )
    check_reductions: bool = _setting(
        False,
        "DDL_CHECK_REDUCTIONS",
        "0 or 1",
        0,
        "Whether every all-reduce is compared with a simpler one, and gradients are searched for "
        "NaN and infinity. For finding faults: slow, and takes memory (docs/checks.md).",
    )

    def __post_init__(self) -> None:
        for setting in settings():
            value = _setting_values.checked(
                setting, getattr(self, setting.field), f"Options.{setting.field}"
            )
            object.__setattr__(self, setting.field, value)

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
        known = {setting.field: setting for setting in settings()}
        for field in overrides:
            if field not in known:
                raise errors.InvalidArgumentError(
                    f"Options has no field {field!r}; there are {', '.join(known)}"
                )
        values: dict[str, Any] = {}
        for field, setting in known.items():
            if overrides.get(field) is not None:
                values[field] = overrides[field]
            elif environ.get(setting.variable, "").strip():
                values[field] = _setting_values.parsed(setting, environ[setting.variable])
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of `Options`, described.

    Attributes:
      field: name of the field.
      variable: environment variable.
      kind: type of its value: int, float, bool or str.
      unit: "bytes", "seconds", "steps", "sockets", "names" (separated by commas), "0 or 1", ...
      default: value when nothing is given.
      least: smallest allowed value (floats: must be greater); no matter for bool, str.
      meaning: one sentence or two.
      pattern: regular expression that texts must match.
    """

    field: str
    variable: str
    kind: type
    unit: str
    default: Any
    least: float
    meaning: str
    pattern: str


def settings() -> tuple[Setting, ...]:
    """All fields of `Options`, in order."""
    return tuple(
        Setting(field=field.name, kind=type(field.default), default=field.default, **field.metadata)
        for field in dataclasses.fields(Options)
    )


def markdown_table() -> str:
    """The table of docs/environment.md, one line per setting."""
    lines = [
        "| variable | field of `Options` | unit | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for setting in settings():
        default = setting.default
        if setting.kind is bool:
            default = int(default)
        elif setting.kind is str:
            default = default or "empty"
        elif setting.kind is float:
            default = f"{default:g}"
        lines.append(
            f"| `{setting.variable}` | `{setting.field}` | {setting.unit} | {default} "
            f"| {setting.meaning} |"
        )
    return "\n".join(lines) + "\n"
