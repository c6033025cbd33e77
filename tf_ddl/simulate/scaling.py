"""Steps at growing numbers of GPUs, by plan; efficiencies, and what is published of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from .cluster import Cluster
from .models import MODELS, gradients
from .presets import Preset, Published, Variant, Workload
from .step import Engine, Outcome, simulate

__all__ = ["PLANS", "Check", "Point", "Setting", "check_published", "scale", "sensitivity"]

#: Labels of plans, and the engine's plan and grid. "chosen" is the cheapest for every bucket.
PLANS: dict[str, Callable[[Cluster], tuple[str, str]]] = {
    "chosen": lambda cluster: ("", ""),
    "grid": lambda cluster: ("grid", _grid(cluster)),
    "halving-doubling": lambda cluster: ("halving-doubling", ""),
    "ring": lambda cluster: ("ring", ""),
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is simulated: a cluster (of any size), a model's step on it, and the engine.

    Attributes:
      cluster: the kind of machines.
      model: key of MODELS.
      workload: batch and throughput of a GPU alone.
      overlap: whether gradients travel while backprop goes on; else all at once after it.
      engine: buckets, and wishes for plans; its plan and grid are replaced by those of `PLANS`.
    """

    cluster: Cluster
    model: str
    workload: Workload
    overlap: bool
    engine: Engine

    @classmethod
    def of(cls, preset: Preset, model: str, overlap: bool | None = None) -> Setting:
        """A preset's model, with its assumptions."""
        overlap = preset.overlap if overlap is None else overlap
        workload = preset.workloads[model]
        return cls(preset.cluster, model, workload, overlap, preset.engine(overlap))


@dataclasses.dataclass(frozen=True)
class Point:
    """A plan's step at a number of GPUs.

    Attributes:
      gpus: how many.
      plan: a label of PLANS.
      seconds: of the step.
      efficiency: the step without communication by this one.
      outcome: all of it; None for one GPU, which has nothing to reduce.
    """

    gpus: int
    plan: str
    seconds: float
    efficiency: float
    outcome: Outcome | None


def scale(setting: Setting, gpus: Sequence[int], plans: Sequence[str]) -> list[Point]:
    """Simulates every plan at every number of GPUs."""
    return [_point(setting, count, plan) for count in gpus for plan in plans]


def _point(setting: Setting, gpus: int, plan: str) -> Point:
    alone = setting.workload.step_seconds
    if gpus == 1:
        return Point(1, plan, alone, 1.0, None)
    ready = list(gradients(MODELS[setting.model](), alone))
    if not setting.overlap:
        ready = [(elements, alone) for elements, _ in ready]
    cluster = setting.cluster.of_gpus(gpus)
    algorithm, grid = PLANS[plan](cluster)
    engine = dataclasses.replace(setting.engine, plan=algorithm, grid=grid)
    outcome = simulate(cluster, engine, ready)
    seconds = max(alone, outcome.seconds)
    return Point(gpus, plan, seconds, alone / seconds, outcome)


def _grid(cluster: Cluster) -> str:
    """X is a host, Y and Z are the hosts, as square as can be: "4x8x8" for 64 hosts of 4."""
    y = math.isqrt(cluster.hosts)
    while cluster.hosts % y:
        y -= 1
    lengths = [cluster.gpus_per_host, cluster.hosts // y, y]
    return "x".join(str(length) for length in lengths if length > 1) or "1"


@dataclasses.dataclass(frozen=True)
class Check:
    """A simulated efficiency beside a published one.

    Attributes:
      what: which assumptions.
      chosen: efficiency of the chosen plans, in the published figure's definition.
      ring: of the flat ring.
    """

    what: str
    chosen: float
    ring: float


def check_published(setting: Setting, published: Published, what: str) -> Check:
    """The published figure's GPUs and baseline, simulated."""
    values = {}
    for plan in ("chosen", "ring"):
        many = _point(setting, published.gpus, plan)
        # The baseline is the best that its GPUs can do, whatever the plan for many.
        few = _point(setting, published.baseline_gpus, "chosen")
        values[plan] = few.seconds / many.seconds
    return Check(what, values["chosen"], values["ring"])


def sensitivity(preset: Preset, published: Published) -> list[Check]:
    """The published figure under the preset's assumptions, and under each of the others."""
    base = Setting.of(preset, published.model)
    checks = [check_published(base, published, "as assumed")]
    for variant in preset.variants:
        setting = _varied(preset, published.model, variant)
        checks.append(check_published(setting, published, variant.name))
    return checks


def _varied(preset: Preset, model: str, variant: Variant) -> Setting:
    setting = Setting.of(preset, model, variant.overlap)
    cluster = dataclasses.replace(setting.cluster, **variant.cluster)  # type: ignore[arg-type]
    workload = setting.workload
    if variant.examples_per_second is not None:
        workload = dataclasses.replace(
            workload, examples_per_second=variant.examples_per_second, source=variant.name
        )
    return dataclasses.replace(setting, cluster=cluster, workload=workload)
