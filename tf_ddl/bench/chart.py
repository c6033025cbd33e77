"""The picture: time of an all-reduce by size, and the gradients of ResNet-50 as bars."""

from __future__ import annotations

from collections.abc import Sequence

from . import contenders, result_tables
from .sampling import Result

__all__ = ["draw"]


def draw(path: str, results: Sequence[Result]) -> None:
    """Writes the picture; the file name's ending says in which format.

    Raises:
      ImportError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    measured = [result for result in results if result.seconds]
    single = [result for result in measured if len(result.workload.spec.get("shapes", [])) == 1]
    others = [result for result in measured if result not in single]
    panels = list(dict.fromkeys(result.workload.name for result in others))
    figure, axes = pyplot.subplots(
        1,
        len(panels) + 1,
        figsize=(7 + 3.5 * len(panels), 5),
        layout="constrained",
        squeeze=False,
        width_ratios=[2.0] + [1.0] * len(panels),
    )
    lines = axes[0][0]
    for name in dict.fromkeys(result.contender.name for result in single):
        chosen = [result for result in single if result.contender.name == name]
        sizes = [result.workload.bytes for result in chosen]
        values = [result_tables.quartiles(result.seconds) for result in chosen]
        style = "--" if name == contenders.FLOOR else "-"
        width = 2.5 if name == contenders.OURS else 1.2
        (line,) = lines.plot(
            sizes, [v[1] for v in values], style, marker=".", linewidth=width, label=name
        )
        lines.fill_between(
            sizes,
            [v[0] for v in values],
            [v[2] for v in values],
            color=line.get_color(),
            alpha=0.2,
        )
    lines.set(xscale="log", yscale="log", xlabel="bytes per rank", ylabel="seconds")
    lines.set_title("all-reduce, float32: median and quartiles")
    lines.grid(True, which="major", alpha=0.3)
    if single:
        lines.legend()
    for bars, panel in zip(axes[0][1:], panels):
        chosen = [result for result in others if result.workload.name == panel]
        names = [result.contender.name for result in chosen]
        medians = [result_tables.quartiles(result.seconds)[1] * 1e3 for result in chosen]
        bars.barh(names[::-1], medians[::-1])
        bars.set(title=panel, xlabel="milliseconds")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
