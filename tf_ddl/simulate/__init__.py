"""What a training step would take on a cluster that is only described.

    python -m tf_ddl.simulate --help

The plans are those that the engine would execute; the core executes them over modelled links
(custom_ops/plan/simulate.h). docs/simulator.md says what is modelled, and what is not.
"""

from __future__ import annotations

from .cluster import Cluster, Link, load
from .models import MODELS, Layer, Model, gradients
from .presets import PRESETS, Preset, Workload
from .scaling import PLANS, Point, Setting, scale
from .step import Bucket, Engine, Outcome, simulate

__all__ = [
    "MODELS",
    "PLANS",
    "PRESETS",
    "Bucket",
    "Cluster",
    "Engine",
    "Layer",
    "Link",
    "Model",
    "Outcome",
    "Point",
    "Preset",
    "Setting",
    "Workload",
    "gradients",
    "load",
    "scale",
    "simulate",
]
