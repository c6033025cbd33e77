"""What models hand to the engine in a step: sizes of gradients, and when each is ready.

Sizes and operations are computed from the layers. Times are spread over the layers in proportion
to their operations; a layer's backward pass takes twice its forward pass, as it computes two
products of the same size where the forward pass computes one. How long all of it takes is given by
a measured throughput (presets.py says whose).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

__all__ = ["MODELS", "Layer", "Model", "gradients", "mlp", "resnet"]

_BACKWARD = 2  # of a forward pass


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer with weights, and what follows it without any.

    Attributes:
      shapes: of its trainable variables, in the order in which they are made.
      operations: multiplications and additions of its forward pass, for one example.
    """

    shapes: tuple[tuple[int, ...], ...]
    operations: int


@dataclasses.dataclass(frozen=True)
class Model:
    """Layers in the order of the forward pass."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        """Number of trainable values."""
        return sum(math.prod(shape) for layer in self.layers for shape in layer.shapes)

    @property
    def operations(self) -> int:
        """Of a forward pass, for one example."""
        return sum(layer.operations for layer in self.layers)


def resnet(name: str, blocks: Sequence[int]) -> Model:
    """A ResNet of bottleneck blocks for 224 x 224 pictures and 1,000 classes, as Keras builds it.

    `blocks`: of each stage; (3, 4, 6, 3) is ResNet-50, (3, 4, 23, 3) is ResNet-101. The first
    convolution of a stage's first block has the stride, and convolutions have biases.

    Source: He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385), table 1.
    """
    side = 112
    layers = [_convolution(7, 3, 64, side)]
    channels, side = 64, 56
    for stage, count in enumerate(blocks):
        width = 64 << stage
        if stage > 0:
            side //= 2
        for block in range(count):
            if block == 0:  # the shortcut changes the number of channels
                layers.append(_convolution(1, channels, 4 * width, side))
            layers.append(_convolution(1, channels, width, side))
            layers.append(_convolution(3, width, width, side))
            layers.append(_convolution(1, width, 4 * width, side))
            channels = 4 * width
    layers.append(_dense(channels, 1000))
    return Model(name, tuple(layers))


def mlp(name: str, widths: Sequence[int]) -> Model:
    """Dense layers; `widths` from the input's to the output's."""
    return Model(name, tuple(_dense(a, b) for a, b in itertools.pairwise(widths)))


def gradients(model: Model, step_seconds: float) -> Iterator[tuple[int, float]]:
    """Elements of each gradient, and the seconds after the step's begin when it is ready.

    Args:
      model: the model.
      step_seconds: forward and backward pass without communication.

    Yields:
      In the order in which backprop comes to them: from the last layer to the first; within a
      layer, in the reverse order of the variables. A layer's gradients are ready when its
      backward pass ends; the first layer's at `step_seconds`.
    """
    unit = step_seconds / ((1 + _BACKWARD) * model.operations)
    now = model.operations * unit
    for layer in reversed(model.layers):
        now += _BACKWARD * layer.operations * unit
        for shape in reversed(layer.shapes):
            yield math.prod(shape), now


def _convolution(kernel: int, inputs: int, outputs: int, side: int) -> Layer:
    """With bias and batch normalisation; `side` x `side` positions of the output."""
    weights = (kernel, kernel, inputs, outputs)
    return Layer((weights, *((outputs,),) * 3), 2 * math.prod(weights) * side * side)


def _dense(inputs: int, outputs: int) -> Layer:
    return Layer(((inputs, outputs), (outputs,)), 2 * inputs * outputs)


#: By name. The MLP is that of tf_ddl.bench.
MODELS: dict[str, Callable[[], Model]] = {
    "resnet50": lambda: resnet("resnet50", (3, 4, 6, 3)),
    "resnet101": lambda: resnet("resnet101", (3, 4, 23, 3)),
    "mlp": lambda: mlp("mlp", (784, 2048, 2048, 2048, 10)),
}
