"""Who takes part, and how their worker processes are started."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

__all__ = ["ALL_REDUCE", "FLOOR", "OURS", "TRAINING", "Contender", "Interpreters", "launch_plan"]

OURS = "tf_ddl"
FLOOR = "memcpy"
_HERE = pathlib.Path(__file__).resolve().parent
_PROBE = "import importlib.util as u, sys; sys.exit(0 if u.find_spec(sys.argv[1]) else 3)"


@dataclasses.dataclass(frozen=True)
class Contender:
    """One way of doing the workloads.

    Attributes:
      name: short, unique; for tables and the command line.
      subject: "module:class" that the workers import from this package.
      module: Python module that it needs.
      how: in a few words, for the report.
      transport: "ddl", "torch", "tensorflow", "horovodrun", "mpirun" or "none": who tells the
        workers of each other.
      environment: variables on top of the common ones.
      stop: whether its workers are stopped (SIGSTOP) while others measure, because they never
        sleep by themselves.
      alone: only one worker, whatever the number of ranks.
      loops: kinds of training loop that it can run.
    """

    name: str
    subject: str
    module: str
    how: str
    transport: str
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    stop: bool = False
    alone: bool = False
    loops: Sequence[str] = ()


_HOROVOD_GLOO = {
    "HOROVOD_CONTROLLER": "gloo",
    "HOROVOD_CPU_OPERATIONS": "GLOO",
    # Stopped while others measure, its ranks must not take each other for dead.
    "HOROVOD_GLOO_TIMEOUT_SECONDS": "3600",
    "HOROVOD_STALL_CHECK_DISABLE": "1",
}
_HOROVOD_MPI = {
    "HOROVOD_CONTROLLER": "mpi",
    "HOROVOD_CPU_OPERATIONS": "MPI",
    "HOROVOD_STALL_CHECK_DISABLE": "1",
}

ALL_REDUCE = (
    Contender(OURS, "ours:Numpy", "tf_ddl", "numpy arrays, in place", "ddl"),
    Contender(FLOOR, "floor:Memcpy", "numpy", "the floor: every rank copies the bytes", "none"),
    Contender("tf_ddl_op", "ours:Op", "tensorflow", "DDLStrategy in a tf.function", "ddl"),
    Contender("mpi", "peers:Mpi", "mpi4py", "mpi4py, in place, tensor by tensor", "mpirun"),
    Contender("torch_gloo", "peers:TorchGloo", "torch", "in place; groups as DDP does", "torch"),
    Contender(
        "horovod_mpi", "peers:Horovod", "horovod", "in a tf.function", "mpirun", _HOROVOD_MPI, True
    ),
    Contender(
        "horovod_gloo", "peers:Horovod", "horovod", "in a tf.function", "horovodrun",
        _HOROVOD_GLOO, True,
    ),
    Contender("mwms", "peers:Mwms", "tensorflow", "RING, in a tf.function", "tensorflow"),
)  # fmt: skip

TRAINING = (
    Contender(
        OURS, "training:Ddl", "tensorflow", "DDLStrategy", "ddl", loops=("fit", "loop")
    ),
    Contender(
        "independent", "training:Alone", "tensorflow", "workers that do not communicate", "none",
        loops=("fit", "loop"),
    ),
    Contender(
        "alone", "training:Alone", "tensorflow", "one worker, the other cores idle", "none",
        alone=True, loops=("fit", "loop"),
    ),
    Contender(
        "horovod_mpi", "training:Horovod", "horovod", "DistributedGradientTape", "mpirun",
        _HOROVOD_MPI, True, loops=("loop",),
    ),
    Contender(
        "horovod_gloo", "training:Horovod", "horovod", "DistributedGradientTape", "horovodrun",
        _HOROVOD_GLOO, True, loops=("loop",),
    ),
    Contender(
        "mwms", "training:Mwms", "tensorflow", "RING", "tensorflow", loops=("loop",)
    ),
)  # fmt: skip


class Interpreters:
    """Which Python runs which peer.

    Args:
      folder: where benchmarks/setup_peers.sh has put environments, or None.
      chosen: interpreters by module name; they win over `folder`.
    """

    def __init__(self, folder: str | None, chosen: Mapping[str, str]) -> None:
        self._folder = pathlib.Path(folder) if folder else None
        self._chosen = dict(chosen)

    def python(self, contender: Contender) -> str:
        """The interpreter for a contender's workers."""
        if contender.transport == "ddl":
            return sys.executable
        if contender.module in self._chosen:
            return self._chosen[contender.module]
        if self._folder is not None:
            own = self._folder / contender.module / "bin" / "python"
            if own.exists():
                return str(own)
        return sys.executable

    def why_not(self, contender: Contender) -> str:
        """Why a contender cannot take part; "" if it seems to be installed."""
        python = self.python(contender)
        try:
            probe = subprocess.run(
                [python, "-c", _PROBE, contender.module],
                env=_common_environment(contender, 1),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{python}: {error}"
        if probe.returncode != 0:
            return f"no {contender.module} in {python}"
        launcher = _launcher(contender, python)
        if launcher and shutil.which(launcher) is None:
            return f"no {contender.transport}"
        return ""


@dataclasses.dataclass(frozen=True)
class Command:
    """One process to start."""

    arguments: list[str]
    environment: dict[str, str]


def launch_plan(contender: Contender, python: str, size: int, address: str) -> list[Command]:
    """The processes to start for `size` workers that report to the Unix socket `address`."""
    worker = [python, str(_HERE / "worker.py"), address, contender.subject]
    common = _common_environment(contender, size)
    launcher = _launcher(contender, python)
    if contender.transport == "mpirun":
        # Common to Open MPI and MPICH; Open MPI gets the rest from the environment.
        return [Command([launcher, "-np", str(size), *worker, "-1", str(size)], common)]
    if contender.transport == "horovodrun":
        where = ["-np", str(size), "-H", f"localhost:{size}", "--network-interfaces", "lo"]
        return [Command([launcher, "--gloo", *where, *worker, "-1", str(size)], common)]
    own = _rank_environments(contender.transport, size)
    return [
        Command([*worker, str(rank), str(size)], {**common, **own[rank]}) for rank in range(size)
    ]


def _launcher(contender: Contender, python: str) -> str:
    if contender.transport == "mpirun":
        return "mpirun"
    if contender.transport == "horovodrun":
        return str(pathlib.Path(python).parent / "horovodrun")
    return ""


def _common_environment(contender: Contender, size: int) -> dict[str, str]:
    threads = max(1, len(os.sched_getaffinity(0)) // size)
    common = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    common.update(
        CUDA_VISIBLE_DEVICES="",  # host memory is what is compared
        OMP_NUM_THREADS=str(threads),
        PYTHONUNBUFFERED="1",
        TF_CPP_MIN_LOG_LEVEL="2",
    )
    if contender.transport == "ddl":
        # The tf_ddl that is being run, also when it was found in the current folder.
        common["PYTHONPATH"] = str(_HERE.parent.parent)
    if contender.transport == "mpirun":
        common.update(
            OMPI_ALLOW_RUN_AS_ROOT="1",
            OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
            OMPI_MCA_rmaps_base_oversubscribe="1",
            OMPI_MCA_hwloc_base_binding_policy="none",
        )
    common.update(contender.environment)
    return common


def _rank_environments(transport: str, size: int) -> list[dict[str, str]]:
    if transport == "ddl":
        job = {
            "DDL_SIZE": str(size),
            "DDL_RENDEZVOUS": f"127.0.0.1:{_free_ports(1)[0]}",
            "DDL_SECRET": secrets.token_hex(16),
        }
        return [{**job, "DDL_RANK": str(rank)} for rank in range(size)]
    if transport == "torch":
        job = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(_free_ports(1)[0]),
            "GLOO_SOCKET_IFNAME": "lo",
            "WORLD_SIZE": str(size),
        }
        return [{**job, "RANK": str(rank)} for rank in range(size)]
    if transport == "tensorflow":
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(size)]
        return [
            {
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": addresses},
                        "task": {"type": "worker", "index": rank},
                    }
                )
            }
            for rank in range(size)
        ]
    return [{} for _ in range(size)]


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
