"""Published systems, each number with its source; what is not published is called an assumption."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .cluster import Cluster, Link
from .step import Engine

__all__ = ["PRESETS", "Preset", "Published", "Variant", "Workload"]

_IMAGENET = 1_281_167  # pictures in ImageNet-1K's training set


@dataclasses.dataclass(frozen=True)
class Workload:
    """A model's step on one GPU.

    Attributes:
      batch: examples per GPU and step.
      examples_per_second: of one GPU that does not communicate.
      source: of the throughput.
    """

    batch: int
    examples_per_second: float
    source: str

    @property
    def step_seconds(self) -> float:
        """Seconds of a step without communication."""
        return self.batch / self.examples_per_second


@dataclasses.dataclass(frozen=True)
class Published:
    """A published efficiency.

    Attributes:
      model: key of MODELS.
      gpus: at how many GPUs.
      efficiency: throughput per GPU, by that of `baseline_gpus` GPUs.
      baseline_gpus: GPUs of the baseline.
      source: where it is published.
    """

    model: str
    gpus: int
    efficiency: float
    baseline_gpus: int
    source: str


@dataclasses.dataclass(frozen=True)
class Variant:
    """Another assumption, for the sensitivity: fields of preset, cluster, engine to replace."""

    name: str
    cluster: Mapping[str, object] = dataclasses.field(default_factory=dict)
    examples_per_second: float | None = None
    overlap: bool | None = None


@dataclasses.dataclass(frozen=True)
class Preset:
    """A system as published.

    Attributes:
      cluster: the machines.
      workloads: by model.
      overlap: whether gradients travel while backprop goes on; else all at once after it.
      published: what is to be reproduced, if anything.
      variants: other assumptions than those made here.
    """

    cluster: Cluster
    workloads: Mapping[str, Workload]
    overlap: bool
    published: Published | None = None
    variants: tuple[Variant, ...] = ()

    def engine(self, overlap: bool, **wishes: object) -> Engine:
        """Buckets as the engine's defaults make them, or one of everything without overlap."""
        engine = Engine() if overlap else Engine(first_bucket_bytes=1 << 40, bucket_bytes=1 << 40)
        return dataclasses.replace(engine, **wishes)  # type: ignore[arg-type]


def minsky() -> Preset:
    """IBM's cluster: 64 servers Power S822LC ("Minsky") with 4 Tesla P100 each.

    Source, unless another is named: Cho, Finkler, Kumar, Kung, Saxena, Sreedhar: PowerAI DDL
    (arXiv 1708.02188), of which only the abstract was at hand: 64 S822LC with 256 GPUs; ResNet-50,
    90 epochs of ImageNet-1K in 50 minutes (with Torch).

    Figures and where they are from:

    * hosts, GPUs per host: the abstract.
    * 100 Gbit/s InfiniBand (EDR): 12.5 GB/s in each direction.
    * batch 32 per GPU: 8,192 in all, as lists of large ImageNet trainings quote the paper.
    * pictures/s: 90 * 1,281,167 / 3,000 s / 256 = 150.1 per GPU, from the abstract. That is with
      communication, so that one GPU alone is a little faster; TensorFlow reaches 195 on the same
      kind of GPU at the same batch (TensorFlow's benchmarks, DGX-1, May 2017), see the variants.
    * NVLink: 80 GB/s between neighbours (IBM on the S822LC), 40 in each direction.
    * adding: a P100's memory moves 732 GB/s (Tesla P100 data sheet); for one added byte two are
      read and one is written: 244 GB/s.
    * the published 95%: IBM Research's announcement of 8 August 2017 (quoted by top500.org and
      itnews.com.au): Caffe, 256 GPUs. Reports of it count GPUs "added to a single server", so that
      the baseline is a server of 4 GPUs.

    Assumptions:

    * One InfiniBand port per host; with two, see the variants.
    * A ring within a host crosses from socket to socket over the processors' bus, so that 30 of
      NVLink's 40 GB/s are sustained.
    * A message costs 10 microseconds between any two GPUs: InfiniBand's one or two, and the launch
      of the kernel that sends or adds.
    * No overlap: one all-reduce after backprop. DDL's README starts Caffe with -bvlc, which turns
      off layer-wise reduction (IBM's "Getting started with Caffe"), and speaks of one elapsed time
      per iteration.
    * Gradients are float32 and those of ResNet-50 as Keras builds it (0.1% more than Caffe's).
    """
    port = Link(latency_us=10, gb_per_s=12.5)
    cluster = Cluster(
        name="minsky",
        hosts=64,
        gpus_per_host=4,
        local=Link(latency_us=10, gb_per_s=30),
        rails=(port,),
        add_gb_per_s=244,
    )
    abstract = 90 * _IMAGENET / 3000 / 256
    return Preset(
        cluster=cluster,
        workloads={
            "resnet50": Workload(32, abstract, "arXiv 1708.02188, abstract"),
            # 16 GPUs of the Pascal generation, batch 64: 1,656.82 pictures/s with communication.
            "resnet101": Workload(64, 1656.82 / 16, "Horovod, docs/benchmarks"),
        },
        overlap=False,
        published=Published(
            "resnet50", 256, 0.95, cluster.gpus_per_host, "IBM Research, 8 August 2017"
        ),
        variants=(
            Variant("two InfiniBand ports", {"rails": (port, port)}),
            Variant("overlap with backprop", overlap=True),
            Variant("195 pictures/s (TensorFlow on a P100)", examples_per_second=195),
            Variant("messages cost 5 us", _latency(cluster, 5)),
            Variant("messages cost 20 us", _latency(cluster, 20)),
            Variant("20 GB/s within a host", {"local": Link(10, 20)}),
            Variant("40 GB/s within a host", {"local": Link(10, 40)}),
        ),
    )


def roce25() -> Preset:
    """The cluster of Horovod's benchmark: 128 servers with 4 Pascal GPUs, 25 Gbit/s RoCE.

    Source: Horovod, docs/benchmarks: 90% at 512 GPUs for ResNet-101; 1,656.82 pictures/s on 16
    GPUs at batch 64, with communication.

    Assumptions: overlap with backprop (Horovod reduces as gradients come; its buffers of 64 MiB
    are larger than the engine's buckets); PCIe 3.0 x16 within a host, 10 of its 15.75 GB/s
    sustained; 15 microseconds a message; 244 GB/s of adding, as of a P100; the baseline is one GPU.
    """
    cluster = Cluster(
        name="roce25",
        hosts=128,
        gpus_per_host=4,
        local=Link(latency_us=15, gb_per_s=10),
        rails=(Link(latency_us=15, gb_per_s=25 / 8),),
        add_gb_per_s=244,
    )
    source = "Horovod, docs/benchmarks"
    return Preset(
        cluster=cluster,
        workloads={
            "resnet101": Workload(64, 1656.82 / 16, source),
            "resnet50": Workload(64, 219, "TensorFlow's benchmarks, P100, batch 64, May 2017"),
        },
        overlap=True,
        published=Published("resnet101", 512, 0.90, 1, source),
        variants=(Variant("no overlap", overlap=False),),
    )


def lan() -> Preset:
    """CPU workers of one core each, two on a host, on 10 Gbit/s Ethernet.

    The MLP's step is this project's measurement (docs/benchmarks.md: 57.6 ms alone, 64 rows).

    Assumptions: 30 microseconds and 1.18 GB/s between hosts, 5 microseconds and 8 GB/s within
    them, 10 GB/s of adding, on the one core that copies, too.
    """
    cluster = Cluster(
        name="lan",
        hosts=512,
        gpus_per_host=2,
        local=Link(latency_us=5, gb_per_s=8),
        rails=(Link(latency_us=30, gb_per_s=1.18),),
        add_gb_per_s=10,
        shared_engine=True,
    )
    return Preset(
        cluster=cluster,
        workloads={"mlp": Workload(64, 64 / 57.6e-3, "docs/benchmarks.md")},
        overlap=True,
    )


def _latency(cluster: Cluster, latency_us: float) -> dict[str, object]:
    return {
        "local": dataclasses.replace(cluster.local, latency_us=latency_us),
        "rails": tuple(dataclasses.replace(r, latency_us=latency_us) for r in cluster.rails),
    }


#: By name.
PRESETS = {"minsky": minsky, "roce25": roce25, "lan": lan}
