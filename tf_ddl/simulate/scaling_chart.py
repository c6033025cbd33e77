"""The picture: step time and efficiency by number of GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from .scaling import Point

__all__ = ["draw"]


def draw(path: str, points: Sequence[Point], title: str) -> None:
    """Writes the picture; the file name's ending says in which format.

    Raises:
      ImportError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (times, efficiencies) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for plan in dict.fromkeys(point.plan for point in points):
        chosen = [point for point in points if point.plan == plan]
        gpus = [point.gpus for point in chosen]
        style = "--" if plan == "ring" else "-"
        width = 2.5 if plan == "chosen" else 1.2
        for axes, values in (
            (times, [point.seconds * 1e3 for point in chosen]),
            (efficiencies, [100 * point.efficiency for point in chosen]),
        ):
            axes.plot(gpus, values, style, marker=".", linewidth=width, label=plan)
    times.set(ylabel="step, milliseconds", ylim=(0, None))
    efficiencies.set(ylabel="efficiency, %")
    for axes in (times, efficiencies):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("GPUs")
        axes.grid(True, alpha=0.3)
    ticks = list(dict.fromkeys(point.gpus for point in points))
    for axes in (times, efficiencies):
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
    efficiencies.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
