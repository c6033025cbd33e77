"""A picture of a plan: who sends what to whom, over which rail, round by round."""

from __future__ import annotations

from typing import Any, NamedTuple

from tf_ddl import errors
from tf_ddl._native import planner

from . import cluster_file

__all__ = ["Message", "draw", "messages"]

#: More ranks than these make no picture that can be read.
MOST_RANKS = 64
_ELEMENT_BYTES = 4


class Message(NamedTuple):
    """Elements [begin, end) on their way from one rank to another; `adds`: to be added there."""

    round: int
    sender: int
    receiver: int
    begin: int
    end: int
    adds: bool


def messages(plans: list[dict[str, Any]], lane: int) -> list[Message]:
    """All messages of a lane, from the plans of all ranks (`_native.planner.steps`)."""
    found = []
    for plan in plans:
        for number, steps in enumerate(plan["lanes"][lane]["rounds"]):
            for step in steps:
                if step["kind"] in ("recv", "recv-reduce"):
                    found.append(
                        Message(
                            number,
                            step["peer"],
                            plan["rank"],
                            step["begin"],
                            step["end"],
                            step["kind"] == "recv-reduce",
                        )
                    )
    return found


def draw(path: str, cluster: cluster_file.Cluster, chosen: dict[str, Any], count: int) -> None:
    """Draws the first lane of each colour; the file name's ending says in which format.

    Args:
      path: the file to write.
      cluster: where the ranks are.
      chosen: "name" and "table" of the plan.
      count: elements of the bucket, float32.

    Raises:
      InvalidArgumentError: there are too many ranks to be told apart, or no matplotlib.
    """
    if cluster.size > MOST_RANKS:
        raise errors.InvalidArgumentError(
            f"a drawing of {cluster.size} ranks cannot be read; up to {MOST_RANKS} can"
        )
    try:
        import matplotlib
    except ImportError as error:
        raise errors.InvalidArgumentError(
            "drawing needs matplotlib: pip install matplotlib"
        ) from error
    matplotlib.use("Agg")
    from matplotlib import lines, pyplot

    plans = [
        planner.steps(cluster.topology, chosen["table"], rank, count)
        for rank in range(cluster.size)
    ]
    lanes = plans[0]["lanes"]
    colours = sorted({lane["colour"] for lane in lanes})
    firsts = {c: next(i for i, lane in enumerate(lanes) if lane["colour"] == c) for c in colours}
    rounds = {
        c: max(len(plan["lanes"][lane]["rounds"]) for plan in plans) for c, lane in firsts.items()
    }
    host_of = {rank: h for h, (_, ranks) in enumerate(cluster.hosts) for rank in ranks}
    rows = {rank: row for row, rank in enumerate(r for _, ranks in cluster.hosts for r in ranks)}
    figure, axes = pyplot.subplots(
        len(colours),
        1,
        figsize=(
            max(6.5, 2 + 1.1 * max(rounds.values(), default=1)),
            len(colours) * max(2.8, 1.2 + 0.45 * cluster.size),
        ),
        layout="constrained",
        squeeze=False,
    )
    for colour, panel in zip(colours, axes[:, 0]):
        lane = firsts[colour]
        rail = lanes[lane]["rail"]
        _draw_lane(panel, plans, lane, rail, host_of, rows)
        of_colour = sum(1 for other in lanes if other["colour"] == colour)
        title = f"rail {cluster.rails[rail] or rail}, " if len(cluster.hosts) > 1 else ""
        panel.set_title(f"{title}lane 1 of {of_colour}", loc="left", fontsize=9)
        panel.set(
            xticks=[n + 0.5 for n in range(rounds[colour])],
            xticklabels=[str(n) for n in range(rounds[colour])],
            xlim=(-0.15, rounds[colour] + 0.15),
            ylim=(cluster.size - 0.4, -0.6),
        )
        panel.set_yticks(list(rows.values()), [f"rank {rank}" for rank in rows], fontsize=8)
        for h, (name, ranks) in enumerate(cluster.hosts):
            panel.axhspan(
                rows[ranks[0]] - 0.45,
                rows[ranks[-1]] + 0.45,
                color="0.94" if h % 2 == 0 else "0.88",
                zorder=0,
            )
            panel.annotate(
                name,
                (1.01, (rows[ranks[0]] + rows[ranks[-1]]) / 2),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
            )
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
    axes[-1, 0].set_xlabel("round")
    figure.suptitle(f"{chosen['name']}\n{count * _ELEMENT_BYTES:,} bytes", fontsize=10)
    figure.legend(
        handles=[
            lines.Line2D([], [], color="0.3", label="is added"),
            lines.Line2D([], [], color="0.3", linestyle="--", label="is stored"),
            lines.Line2D([], [], color="0.5", linewidth=1, label="within a host"),
            *(
                lines.Line2D([], [], color=_rail_colour(rail), linewidth=2, label=f"rail {rail}")
                for rail in sorted({lane["rail"] for lane in lanes})
                if len(cluster.hosts) > 1
            ),
            lines.Line2D([], [], color="black", marker="|", linestyle="", label="sum complete"),
        ],
        loc="outside lower center",
        ncols=5,
        fontsize=8,
    )
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _rail_colour(rail: int) -> str:
    return f"C{rail % 10}"


def _draw_lane(
    panel: Any,
    plans: list[dict[str, Any]],
    lane: int,
    rail: int,
    host_of: dict[int, int],
    rows: dict[int, int],
) -> None:
    """One arrow for each message, with its bytes where there is room."""
    sent = messages(plans, lane)
    most = max((message.end - message.begin for message in sent), default=1) or 1
    crowded = len(plans) > 16 or any(
        sum(1 for m in sent if (m.round, m.sender) == (first.round, first.sender)) > 3
        for first in sent
    )
    for message in sent:
        local = host_of[message.sender] == host_of[message.receiver]
        colour = "0.5" if local else _rail_colour(rail)
        start = (message.round + 0.08, rows[message.sender])
        end = (message.round + 0.92, rows[message.receiver])
        panel.annotate(
            "",
            end,
            start,
            arrowprops={
                "arrowstyle": "-|>",
                "color": colour,
                "linewidth": 0.7 + 1.5 * (message.end - message.begin) / most,
                "linestyle": "-" if message.adds else "--",
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        if not crowded:
            # At a third of the way, where arrows that cross are apart.
            x = start[0] + (end[0] - start[0]) / 3
            y = start[1] + (end[1] - start[1]) / 3
            panel.text(
                x,
                y,
                _short((message.end - message.begin) * _ELEMENT_BYTES),
                fontsize=6,
                ha="center",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8},
            )
    for plan in plans:
        for number, steps in enumerate(plan["lanes"][lane]["rounds"]):
            if any(step["kind"] in ("scale", "reduce-slots", "copy") for step in steps):
                panel.plot(
                    number + 0.5, rows[plan["rank"]], "|", color="black", markersize=9, zorder=3
                )


def _short(size: int) -> str:
    for unit, factor in (("M", 10**6), ("k", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g}{unit}"
    return str(size)
