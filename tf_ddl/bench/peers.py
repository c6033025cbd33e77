"""The peers, each as its own documentation would have it used."""

from __future__ import annotations

import datetime
import importlib
import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import buffers
from .subject import InPlace, Span, Subject

__all__ = ["Horovod", "Mpi", "Mwms", "Strategy", "TorchGloo"]

_DDP_BUCKET_BYTES = 25 << 20  # DistributedDataParallel's default


class Mpi(InPlace):
    """mpi4py: `Allreduce` in place, one call a tensor."""

    def open(self) -> dict[str, str]:
        self._mpi = importlib.import_module("mpi4py.MPI")
        self._world = self._mpi.COMM_WORLD
        library = self._mpi.Get_library_version().split(",")[0].split("\n")[0]
        return {"mpi4py": importlib.metadata.version("mpi4py"), "MPI": library.strip("\0 ")}

    def reduce(self) -> None:
        for tensor in self.tensors:
            self._world.Allreduce(self._mpi.IN_PLACE, tensor)


class TorchGloo(InPlace):
    """torch.distributed with Gloo.

    Several tensors travel in buckets as DistributedDataParallel makes them: packed, 25 MiB each,
    all under way at once, unpacked.
    """

    def open(self) -> dict[str, str]:
        self._torch = torch = importlib.import_module("torch")
        torch.distributed.init_process_group("gloo", timeout=datetime.timedelta(minutes=10))
        return {"torch": torch.__version__}

    def bind(self, tensors: Sequence[np.ndarray]) -> None:
        self._tensors = [self._torch.from_numpy(tensor) for tensor in tensors]
        self._buckets: list[list[Any]] = [[]]
        room = _DDP_BUCKET_BYTES
        for tensor in reversed(self._tensors):  # the order in which gradients become ready
            if room <= 0:
                self._buckets.append([])
                room = _DDP_BUCKET_BYTES
            self._buckets[-1].append(tensor)
            room -= 4 * tensor.numel()
        self._packed = [
            self._torch.empty(sum(tensor.numel() for tensor in bucket)) for bucket in self._buckets
        ]

    def reduce(self) -> None:
        all_reduce = self._torch.distributed.all_reduce
        if len(self._tensors) == 1:
            all_reduce(self._tensors[0])
            return
        works = []
        for bucket, packed in zip(self._buckets, self._packed):
            self._torch.cat([tensor.view(-1) for tensor in bucket], out=packed)
            works.append(all_reduce(packed, async_op=True))
        for bucket, packed, work in zip(self._buckets, self._packed, works):
            work.wait()
            pieces = packed.split([tensor.numel() for tensor in bucket])
            for tensor, piece in zip(bucket, pieces):
                tensor.view(-1).copy_(piece)

    def close(self) -> None:
        self._torch.distributed.destroy_process_group()


class TensorFlowFunction(Subject):
    """A sum over the ranks in a `tf.function`, out of place as TensorFlow's ops are.

    Subclasses give `open` and `sum`.
    """

    in_place = False

    def open(self) -> dict[str, str]:
        self.tf = importlib.import_module("tensorflow")
        return {"tensorflow": self.tf.__version__}

    def sum(self, tensors: list[Any]) -> list[Any]:
        """The sums of `tensors`, in a graph that is being traced."""
        raise NotImplementedError

    def prepare(self, spec: dict[str, Any]) -> None:
        self._pattern = buffers.Pattern(self.rank, self.size)
        arrays = buffers.make(spec["shapes"])
        self._pattern.fill(arrays)
        self._inputs = [self.tf.constant(array) for array in arrays]
        self._outputs: list[Any] = []
        self._function = self.tf.function(self.sum, autograph=False)

    def reset(self) -> None:
        self._outputs = []

    def run(self, count: int) -> Span | None:
        for _ in range(count):
            self._outputs = self._function(self._inputs)
        return None

    def check(self, count: int) -> str:
        return self._pattern.wrong_sum([output.numpy() for output in self._outputs])


class Strategy(TensorFlowFunction):
    """`ReplicaContext.all_reduce` in `strategy.run`: how optimizers reduce gradients."""

    def make_strategy(self) -> Any:
        """A new tf.distribute.Strategy."""
        raise NotImplementedError

    def open(self) -> dict[str, str]:
        about = super().open()
        self.strategy = self.make_strategy()
        return about

    def sum(self, tensors: list[Any]) -> list[Any]:
        def replica(values: list[Any]) -> list[Any]:
            context = self.tf.distribute.get_replica_context()
            # As gradients are: made in the replica, on its device. It copies nothing.
            placed = [self.tf.identity(value) for value in values]
            return context.all_reduce(self.tf.distribute.ReduceOp.SUM, placed)

        return self.strategy.run(replica, args=(tensors,))


def ring_strategy(tf: Any) -> Any:
    """MultiWorkerMirroredStrategy over TensorFlow's own ring."""
    ring = tf.distribute.experimental.CommunicationImplementation.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


class Mwms(Strategy):
    """TensorFlow's MultiWorkerMirroredStrategy with RING."""

    def make_strategy(self) -> Any:
        return ring_strategy(self.tf)


class Horovod(TensorFlowFunction):
    """Horovod: `allreduce` of one tensor, `grouped_allreduce` of several."""

    def open(self) -> dict[str, str]:
        about = super().open()
        self._hvd = importlib.import_module("horovod.tensorflow")
        self._hvd.init()
        version = importlib.metadata.version("horovod")
        return {**about, "horovod": version, "over": os.environ["HOROVOD_CPU_OPERATIONS"].lower()}

    def sum(self, tensors: list[Any]) -> list[Any]:
        if len(tensors) == 1:
            return [self._hvd.allreduce(tensors[0], op=self._hvd.Sum)]
        return self._hvd.grouped_allreduce(tensors, op=self._hvd.Sum)

    def close(self) -> None:
        self._hvd.shutdown()
