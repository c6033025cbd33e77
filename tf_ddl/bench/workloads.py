"""What is measured: buffers of one size, the gradients of ResNet-50, and two small models."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from tf_ddl._base.sizes import size_in_words

__all__ = [
    "DEFAULT_SIZES",
    "Workload",
    "all_reduce",
    "resnet50",
    "resnet50_shapes",
    "training",
]

FLOAT_BYTES = 4
DEFAULT_SIZES = (
    "4KiB", "16KiB", "64KiB", "256KiB", "1MiB", "4MiB", "16MiB", "64MiB", "100MB", "400MB",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Workload:
    """One thing that all contenders do.

    Attributes:
      name: for people: "4 KiB", "ResNet-50 gradients".
      kind: "all_reduce" (float32 tensors, summed over the ranks) or "training".
      bytes: of one rank's tensors; 0 for training.
      spec: what a worker has to know (`Subject.prepare`).
    """

    name: str
    kind: str
    bytes: int
    spec: dict[str, Any]


def all_reduce(size: int) -> Workload:
    """One float32 buffer of `size` bytes, rounded up to whole elements."""
    elements = max(1, -(-size // FLOAT_BYTES))
    nbytes = elements * FLOAT_BYTES
    return Workload(size_in_words(nbytes), "all_reduce", nbytes, {"shapes": [[elements]]})


def resnet50() -> Workload:
    """The 214 gradients of ResNet-50, float32, as one group of tensors."""
    shapes = [list(shape) for shape in resnet50_shapes()]
    nbytes = FLOAT_BYTES * sum(math.prod(shape) for shape in shapes)
    return Workload("ResNet-50 gradients", "all_reduce", nbytes, {"shapes": shapes})


def training(model: str, loop: str) -> Workload:
    """Steps of a model ("mlp", "cnn") by `fit` or a loop of one's own ("loop")."""
    name = {"mlp": "MLP", "cnn": "CNN"}[model] + {"fit": ", fit", "loop": ", own loop"}[loop]
    return Workload(name, "training", 0, {"model": model, "loop": loop})


def resnet50_shapes() -> list[tuple[int, ...]]:
    """Shapes of ResNet-50's trainable variables as Keras builds it: 25,583,592 elements.

    Source: He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385), table 1.
    Keras gives its convolutions a bias; without these 26,560 elements it is the usual 25,557,032.
    """
    shapes = list(_convolution(7, 3, 64))
    channels = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            if block == 0:  # the shortcut changes the number of channels
                shapes += _convolution(1, channels, 4 * width)
            shapes += _convolution(1, channels, width)
            shapes += _convolution(3, width, width)
            shapes += _convolution(1, width, 4 * width)
            channels = 4 * width
    shapes += [(channels, 1000), (1000,)]
    elements = sum(math.prod(shape) for shape in shapes)
    assert (len(shapes), elements) == (214, 25_583_592)
    return shapes


def _convolution(kernel: int, inputs: int, outputs: int) -> Iterator[tuple[int, ...]]:
    """Kernel and bias, then scale and offset of the batch normalisation that follows."""
    yield (kernel, kernel, inputs, outputs)
    yield from [(outputs,)] * 3
