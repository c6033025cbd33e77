"""Command line of the planner; see docs/plans.md."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from tf_ddl import errors
from tf_ddl._base.sizes import size_argument
from tf_ddl._native import planner

from . import cluster_file, drawing, tables

_ELEMENT_BYTES = 4  # float32


def main(argv: Sequence[str] | None = None) -> int:
    """Shows the candidates, their predicted times and the choice.

    Returns:
      0; 2 if something that was asked for is impossible.
    """
    arguments = _parse(argv)
    try:
        _run(arguments)
    except errors.InvalidArgumentError as error:
        print(f"tf_ddl.plan: {error}", file=sys.stderr)
        return 2
    return 0


def _run(arguments: argparse.Namespace) -> None:
    cluster = cluster_file.read(arguments.topology, arguments.links)
    count = -(-arguments.bytes // _ELEMENT_BYTES)
    answer = planner.candidates(
        cluster.topology,
        cluster.links,
        arguments.bytes,
        arguments.plan,
        arguments.chunk_bytes,
        arguments.in_place and len(cluster.hosts) == 1,
    )
    if arguments.show is not None:
        plan = planner.steps(cluster.topology, answer["chosen"]["table"], arguments.show, count)
        print(plan["text"], end="")
    else:
        _print(cluster, arguments.bytes, answer)
    if arguments.verify:
        _verify(cluster, answer, count)
    if arguments.draw:
        drawing.draw(arguments.draw, cluster, answer["chosen"], count)
        print(f"drawn: {arguments.draw}")


def _print(cluster: cluster_file.Cluster, size: int, answer: dict[str, Any]) -> None:
    print(tables.summary(cluster.hosts, cluster.size, cluster.rails))
    print(f"\ncandidates for {tables.size(size)}, predicted:\n")
    print("\n".join(tables.candidates(answer, size, cluster.size)))
    print("\nplans by size of the bucket:\n")
    print("\n".join(tables.by_size(answer["by_size"])))


def _verify(cluster: cluster_file.Cluster, answer: dict[str, Any], count: int) -> None:
    """Proves the chosen plan; says what it sends."""
    report = planner.check(cluster.topology, answer["chosen"]["table"], count)
    print(
        f"\nverified: every one of {count} elements ends as the sum over all {cluster.size} ranks, "
        f"on every rank.\n{report['messages']} messages, {report['rounds']} rounds"
    )
    for network, hosts in zip(cluster.rails, report["hosts"]):
        alike: dict[str, list[str]] = {}
        for (name, _), (sent, received) in zip(cluster.hosts, hosts):
            if sent or received:
                moved = (
                    f"sends {tables.size(sent * _ELEMENT_BYTES)}, "
                    f"receives {tables.size(received * _ELEMENT_BYTES)}"
                )
                alike.setdefault(moved, []).append(name)
        for moved, names in alike.items():
            who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more, each"
            print(f"    {who}, rail {network or 0}: {moved}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tf_ddl.plan",
        description="Candidates for an all-reduce on a cluster, their predicted times, the choice.",
    )
    parser.add_argument(
        "--topology",
        required=True,
        metavar="GRID|FILE",
        help="4x8: 4 ranks on each of 8 hosts; or a JSON file (docs/plans.md)",
    )
    parser.add_argument("--links", metavar="FILE", help="costs of the links, JSON (docs/plans.md)")
    parser.add_argument(
        "--bytes",
        type=size_argument,
        default=10**8,
        metavar="N",
        help="size of the bucket, e.g. 100MB",
    )
    parser.add_argument(
        "--plan",
        default="",
        help="only direct, pairwise, halving-doubling, ring, rings (one per rail), grid, grid:4x2",
    )
    parser.add_argument(
        "--chunk-bytes", type=size_argument, default=0, metavar="N", help="per lane and rank"
    )
    parser.add_argument(
        "--in-place",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether the ranks of a single host can read each other's memory",
    )
    parser.add_argument(
        "--show",
        type=int,
        nargs="?",
        const=0,
        metavar="RANK",
        help="print the steps of one rank instead of the candidates",
    )
    parser.add_argument("--verify", action="store_true", help="prove the chosen plan")
    parser.add_argument(
        "--draw", type=_picture, metavar="FILE", help="draw it (.png, .svg); matplotlib"
    )
    return parser.parse_args(argv)


def _picture(text: str) -> str:
    if pathlib.Path(text).suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"{text!r} should end in .png, .svg or .pdf")
    return text


if __name__ == "__main__":
    sys.exit(main())
