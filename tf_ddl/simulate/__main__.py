"""Command line of the simulator; see docs/simulator.md."""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence

from tf_ddl import errors
from tf_ddl._base.sizes import size_argument

from . import scaling_chart, scaling_tables
from .cluster import Cluster, Link, load, parse_link
from .models import MODELS
from .presets import PRESETS, Preset, Workload
from .scaling import PLANS, Check, Setting, scale, sensitivity

_GPUS = [1 << power for power in range(11)]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table.

    Returns:
      0; 2 if something described cannot be simulated.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        preset = PRESETS[arguments.preset]()
        setting = _setting(arguments, preset)
        points = scale(setting, _gpus(arguments, setting.cluster), arguments.plans)
        published = preset.published if _as_published(arguments, preset) else None
        checks: list[Check] = sensitivity(preset, published) if published else []
    except (ValueError, OSError, errors.InvalidArgumentError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(scaling_tables.heading(setting), scaling_tables.table(points), sep="\n\n", end="\n\n")
    if "chosen" in arguments.plans:
        print(scaling_tables.plans_line(points), end="\n\n")
    if published:
        print(scaling_tables.checks_table(published, checks), end="\n\n")
    if arguments.json:
        everything = scaling_tables.as_json(setting, points, published, checks)
        pathlib.Path(arguments.json).write_text(json.dumps(everything, indent=1) + "\n")
    if arguments.plot:
        try:
            scaling_chart.draw(
                arguments.plot, points, f"{setting.model}, {setting.cluster.name}: simulated"
            )
        except ImportError as error:
            print(f"no plot: {error} (pip install matplotlib)", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tf_ddl.simulate",
        description="Simulates training steps on a cluster that is only described: step time and "
        "scaling efficiency by number of GPUs, for the plans that the engine would execute and "
        "for a plain ring.",
        epilog="A cluster is a preset, a JSON file, or a preset with other numbers: "
        '--gpus-per-host 8 --local 5us,130GB/s --rail "5us,100Gbit/s" --rail "5us,100Gbit/s".',
    )
    cluster = parser.add_argument_group("cluster")
    cluster.add_argument(
        "--preset", choices=sorted(PRESETS), default="minsky", help="published system (minsky)"
    )
    cluster.add_argument("--cluster", metavar="FILE", help="JSON: the fields of simulate.Cluster")
    cluster.add_argument("--gpus-per-host", type=int, metavar="N")
    cluster.add_argument("--local", type=_link, metavar="LINK", help="within a host")
    cluster.add_argument(
        "--rail", type=_link, action="append", metavar="LINK",
        help="a network between hosts; repeat it for several",
    )  # fmt: skip
    cluster.add_argument("--add", type=float, metavar="GB/s", help="bytes that a rank adds up")
    step = parser.add_argument_group("step")
    step.add_argument("--model", choices=sorted(MODELS), help="default: the preset's first")
    step.add_argument("--batch", type=int, metavar="N", help="examples per GPU")
    step.add_argument("--rate", type=float, metavar="N", help="examples per second of one GPU")
    step.add_argument(
        "--overlap", action=argparse.BooleanOptionalAction, default=None,
        help="gradients travel while backprop goes on (default: as the preset's system does)",
    )  # fmt: skip
    step.add_argument("--bucket-bytes", type=size_argument, metavar="SIZE", help="for example 4MiB")
    step.add_argument("--chunk-bytes", type=size_argument, metavar="SIZE", help="default: chosen")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--gpus", type=_counts, metavar="A,B", help="how many (default 1,2,4,...,1024)"
    )
    output.add_argument(
        "--plans", type=_plans, default=list(PLANS), metavar="A,B",
        help=f"of {', '.join(PLANS)} (default: all)",
    )  # fmt: skip
    output.add_argument("--json", metavar="FILE", help="write everything there")
    output.add_argument("--plot", metavar="FILE", help="draw it there (.png, .svg); matplotlib")
    return parser


def _setting(arguments: argparse.Namespace, preset: Preset) -> Setting:
    model = arguments.model or next(iter(preset.workloads))
    workload = _workload(arguments, preset, model)
    overlap = preset.overlap if arguments.overlap is None else arguments.overlap
    engine = preset.engine(overlap, chunk_bytes=arguments.chunk_bytes or 0)
    if arguments.bucket_bytes:
        engine = dataclasses.replace(engine, bucket_bytes=arguments.bucket_bytes)
        first = min(engine.first_bucket_bytes, engine.bucket_bytes)
        engine = dataclasses.replace(engine, first_bucket_bytes=first)
    return Setting(_cluster(arguments, preset), model, workload, overlap, engine)


def _workload(arguments: argparse.Namespace, preset: Preset, model: str) -> Workload:
    known = preset.workloads.get(model)
    if (arguments.batch is None) != (arguments.rate is None):
        raise ValueError("give --batch and --rate together: the rate depends on the batch")
    if arguments.batch is not None:
        if arguments.batch < 1 or not arguments.rate > 0:
            raise ValueError(
                f"--batch {arguments.batch} --rate {arguments.rate}: both must be above 0"
            )
        return Workload(arguments.batch, arguments.rate, "as given")
    if known is None:
        raise ValueError(
            f"preset {arguments.preset} has no throughput of {model} "
            f"(only of {', '.join(preset.workloads)}): give --batch and --rate"
        )
    return known


def _cluster(arguments: argparse.Namespace, preset: Preset) -> Cluster:
    cluster = load(arguments.cluster) if arguments.cluster else preset.cluster
    changes = {
        "gpus_per_host": arguments.gpus_per_host,
        "local": arguments.local,
        "rails": tuple(arguments.rail) if arguments.rail else None,
        "add_gb_per_s": arguments.add,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes:
        changes["name"] = f"{cluster.name}, changed"
    return dataclasses.replace(cluster, **changes)


def _gpus(arguments: argparse.Namespace, cluster: Cluster) -> list[int]:
    """Those asked for, or the powers of two that fill hosts."""
    if arguments.gpus:
        return arguments.gpus
    per_host = cluster.gpus_per_host
    return [gpus for gpus in _GPUS if gpus <= per_host or gpus % per_host == 0]


def _as_published(arguments: argparse.Namespace, preset: Preset) -> bool:
    """Whether the published system is simulated, nothing changed."""
    changed = (
        arguments.cluster, arguments.gpus_per_host, arguments.local, arguments.rail,
        arguments.add, arguments.batch, arguments.bucket_bytes, arguments.chunk_bytes,
        arguments.overlap,
    )  # fmt: skip
    if preset.published is None or any(value is not None for value in changed):
        return False
    return arguments.model in (None, preset.published.model)


def _link(text: str) -> Link:
    try:
        return parse_link(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _counts(text: str) -> list[int]:
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None
    if counts[0] < 1:
        raise argparse.ArgumentTypeError("a cluster has at least one GPU")
    return counts


def _plans(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in PLANS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; known: {', '.join(PLANS)}"
        )
    return names


if __name__ == "__main__":
    sys.exit(main())
