"""Command line of the benchmark; see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from collections.abc import Callable, Sequence

from tf_ddl._base.sizes import size_argument

from . import chart, contenders, result_tables, sampling, workloads

_PARTS = ("sizes", "resnet50", "waiting", "training")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark.

    Returns:
      0; 1 if tf_ddl itself failed at something or gave a wrong result.
    """
    arguments = _parse(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    interpreters = contenders.Interpreters(arguments.peers, arguments.peer_python)
    effort = sampling.Effort(
        arguments.rounds,
        arguments.samples,
        arguments.seconds,
        arguments.steps,
        arguments.patience,
    )
    run = _Run(arguments, interpreters, effort)
    reductions = []
    if "sizes" in arguments.parts:
        reductions += [workloads.all_reduce(size) for size in arguments.sizes]
    if "resnet50" in arguments.parts:
        reductions.append(workloads.resnet50())
    if reductions or "waiting" in arguments.parts:
        run.phase(
            _chosen(contenders.ALL_REDUCE, arguments), reductions, "waiting" in arguments.parts
        )
    if "training" in arguments.parts:
        steps = [workloads.training(m, loop) for m in ("mlp", "cnn") for loop in ("fit", "loop")]
        run.phase(_chosen(contenders.TRAINING, arguments), steps, False)
    run.write()
    return 1 if run.ours_failed() else 0


class _Run:
    """What has been measured so far."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        interpreters: contenders.Interpreters,
        effort: sampling.Effort,
    ) -> None:
        self._arguments = arguments
        self._interpreters = interpreters
        self._effort = effort
        self._results: list[sampling.Result] = []
        self._waiting: list[sampling.Waiting] = []
        self._about: dict[str, dict[str, str]] = {}
        self._absent: dict[str, str] = {}
        self._failed: set[str] = set()

    def phase(
        self,
        wanted: Sequence[contenders.Contender],
        items: Sequence[workloads.Workload],
        waiting: bool,
    ) -> None:
        """Starts the contenders, measures the workloads, and ends them."""
        say = sampling.print_progress
        teams, absent = sampling.start(wanted, self._interpreters, self._arguments.np, say)
        self._absent.update(absent)
        for team in teams:
            self._about.setdefault(team.contender.name, {}).update(team.about)
        started = {team.contender.name for team in teams}
        try:
            for item in items:
                say(item.name)
                results = sampling.measure(teams, item, self._effort, say)
                self._results += results
                print(result_tables.table(results), end="\n\n", flush=True)
                self._write_json()  # what is measured is kept, whatever comes
            if waiting:
                say("waiting")
                self._waiting = sampling.wait_cost(teams, self._arguments.wait_seconds, say)
                print(result_tables.waiting_table(self._waiting), end="\n\n", flush=True)
            self._failed |= started - {team.contender.name for team in teams}
        except BaseException:
            for team in teams:
                team.kill()
            raise
        for team in teams:
            team.close()

    def ours_failed(self) -> bool:
        """Whether tf_ddl, or a variant of it, did not come to the end."""
        wrong = self._failed | set(self._absent)
        return any(name.startswith(contenders.OURS) for name in wrong)

    def write(self) -> None:
        """What was asked for besides the tables."""
        for name, reason in self._absent.items():
            print(f"{name}: {reason.splitlines()[0]}")
        self._write_json()
        if self._arguments.plot:
            try:
                chart.draw(self._arguments.plot, self._results)
            except ImportError as error:
                print(f"no plot: {error} (pip install matplotlib)", file=sys.stderr)

    def _write_json(self) -> None:
        arguments = self._arguments
        if arguments.json:
            everything = result_tables.as_json(
                self._results, self._waiting, self._about, self._absent, arguments.np, self._effort
            )
            result_tables.write(arguments.json, json.dumps(everything, indent=1) + "\n")


def _chosen(
    known: Sequence[contenders.Contender], arguments: argparse.Namespace
) -> list[contenders.Contender]:
    only, skipped = arguments.only, arguments.skip
    chosen = [c for c in known if (only is None or c.name in only) and c.name not in skipped]
    ours = next(c for c in known if c.name == contenders.OURS)
    variants = [
        dataclasses.replace(ours, name=f"{ours.name}[{label}]", environment=environment)
        for label, environment in arguments.variant
    ]
    return [*chosen, *variants]


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    names = sorted({c.name for c in (*contenders.ALL_REDUCE, *contenders.TRAINING)})
    parser = argparse.ArgumentParser(
        prog="python -m tf_ddl.bench",
        description="Measures all-reduces and training steps, tf_ddl's and those of every peer "
        "that is installed, taking turns in one run, results verified.",
        epilog=f"contenders: {', '.join(names)}",
    )
    parser.add_argument("-np", type=int, default=2, metavar="N", help="ranks (default 2)")
    parser.add_argument(
        "--parts", type=_names(_PARTS), default=list(_PARTS), metavar="A,B",
        help=f"what to measure, of {', '.join(_PARTS)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--sizes", type=_sizes, default=_sizes(",".join(workloads.DEFAULT_SIZES)), metavar="A,B",
        help=f"bytes of a buffer (default {','.join(workloads.DEFAULT_SIZES)})",
    )  # fmt: skip
    parser.add_argument("--only", type=_names(names), metavar="A,B", help="these contenders")
    parser.add_argument("--skip", type=_names(names), default=[], metavar="A,B", help="not these")
    parser.add_argument(
        "--variant", type=_variant, action="append", default=[], metavar="NAME=VALUE,..",
        help="also measure tf_ddl with these environment variables; may be repeated",
    )  # fmt: skip
    parser.add_argument("--peers", metavar="FOLDER", help="made by benchmarks/setup_peers.sh")
    parser.add_argument(
        "--peer-python", type=_pair, action="append", default=[], metavar="MODULE=PYTHON",
        help="interpreter for the contenders that need MODULE: horovod, mpi4py, torch, tensorflow",
    )  # fmt: skip
    effort = sampling.Effort()
    parser.add_argument("--rounds", type=int, default=effort.rounds, help="turns of each contender")
    parser.add_argument("--samples", type=int, default=effort.samples, help="at most, in a turn")
    parser.add_argument(
        "--seconds", type=float, default=effort.seconds, help="of timed work in a turn, at most"
    )
    parser.add_argument("--steps", type=int, default=effort.steps, help="training steps a sample")
    parser.add_argument(
        "--patience", type=float, default=effort.patience, metavar="SECONDS",
        help="for each workload, spend so much on waiting for a quiet machine (default 0)",
    )  # fmt: skip
    parser.add_argument(
        "--wait-seconds", type=float, default=2.0, help="how long waiting is watched"
    )
    parser.add_argument("--json", metavar="FILE", help="write everything there")
    parser.add_argument("--plot", metavar="FILE", help="draw it there (.png, .svg); matplotlib")
    arguments = parser.parse_args(argv)
    if arguments.np < 2:
        parser.error("-np must be at least 2")
    arguments.peer_python = dict(arguments.peer_python)
    return arguments


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
        return names

    return parse


def _sizes(text: str) -> list[int]:
    sizes = sorted(size_argument(part) for part in text.split(","))
    if sizes[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: buffers have at least a byte")
    return sizes


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _variant(text: str) -> tuple[str, dict[str, str]]:
    return text, dict(_pair(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
