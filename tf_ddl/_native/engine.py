"""The compiled core by way of ctypes: engines and blocking collectives over numpy arrays.

Nothing here, nor in the library behind it, knows TensorFlow.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_ddl._native import library

__all__ = ["DTYPES", "Engine", "TensorSpec"]

#: Number of an element type in the core (custom_ops/base/dtype.h).
DTYPES = {
    "float32": 0,
    "float64": 1,
    "float16": 2,
    "bfloat16": 3,
    "int32": 4,
    "int64": 5,
    "bytes": 6,
}
_KINDS = {"all_reduce": 0, "broadcast": 1, "all_gather": 2}
_COMPRESSIONS = {"": 0, "bf16": 1, "fp16": 2}
_REDUCE_OPS = {"sum": 0, "mean": 1}


class NetworkDescription(NamedTuple):
    """What a user says of a job's topology and links, as texts of custom_ops/plan/topology.h."""

    grid: str = ""
    topology: str = ""
    links: str = ""


UNDESCRIBED = NetworkDescription()


class TensorSpec(NamedTuple):
    """One tensor of a group: name for messages, a key of DTYPES, shape with -1 for unknown."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def _pointers(arrays: Sequence[np.ndarray]) -> ctypes.Array:
    return (ctypes.c_void_p * len(arrays))(*map(library.address, arrays))


class Engine:
    """One process' membership in a job.

    Attributes:
      handle: the number by which op kernels find it.
      rank, size: this process' place in the job.
      local_rank: its place among the ranks of its host.
      check_reductions, compression: of the options; see there.
      gpu: its GPU (_core_gpu.Gpu), or None.
    """

    def __init__(self, handle: int, rank: int, size: int, local_rank: int, gpu: Any = None) -> None:
        self.handle = handle
        self.rank = rank
        self.size = size
        self.local_rank = local_rank
        self.check_reductions = False
        self.compression = ""
        self.gpu = gpu
        self._lock = threading.Lock()
        self._groups: dict[str, int] = {}  # guarded by _lock
        self._keys: dict[int, bytes] = {}  # guarded by _lock
        #: Groups that tf_ddl.collective has registered, by what it calls; guarded by its lock.
        self.collective_groups: dict[Any, int] = {}

    @classmethod
    def create(
        cls,
        cluster: Any,
        options: Any,
        described: NetworkDescription = UNDESCRIBED,
        gpu: Any = None,
    ) -> Engine:
        """Joins a job.

        Args:
          cluster: which, and who this process is in it (launcher.identity.Identity).
          options: how to work (options.Options).
          described: what the files that the options name say.
          gpu: the GPU that this process uses (_core_gpu.Gpu), or None.

        Raises:
          PeerLostError, NotInitializedError: a rank cannot use NCCL, which is asked for; and why.
          DeadlineError: a rank did not come in time; the message names it.
          SecretError, DuplicateError, InvalidArgumentError: refused, and why.
        """
        tuned = options.autotune and not options.deterministic
        config = library.Config(
            rank=cluster.rank,
            size=cluster.size,
            rendezvous=(cluster.rendezvous or "").encode(),
            secret=(cluster.secret or "").encode(),
            host_store=int(cluster.host_store),
            join_timeout=options.join_timeout,
            use_shared_memory=int(options.use_shared_memory),
            use_cma=int(options.use_cma),
            interfaces=options.interfaces.encode(),
            sockets_per_rail=options.sockets_per_rail or (2 if tuned else 1),
            bucket_bytes=options.bucket_bytes,
            first_bucket_bytes=options.first_bucket_bytes,
            timeout=options.timeout,
            stall_warning=options.stall_warning,
            grid=described.grid.encode(),
            topology=described.topology.encode(),
            links=described.links.encode(),
            measure_links=int(options.measure_links),
            plan=options.plan.encode(),
            chunk_bytes=options.chunk_bytes,
            compression=_COMPRESSIONS[options.compression],
            autotune=int(options.autotune),
            tune_buckets=int(options.bucket_bytes == type(options).bucket_bytes),
            deterministic=int(options.deterministic),
            huge_pages=int(options.huge_pages),
            own_cores=int(options.own_cores),
        )
        handle = ctypes.c_int64()
        if gpu is None:
            library.call("ddl_engine_create", ctypes.byref(config), ctypes.byref(handle))
        else:
            gpu.create_engine(config, handle)
        engine = cls(handle.value, cluster.rank, cluster.size, cluster.local_rank, gpu)
        engine.check_reductions = options.check_reductions
        engine.compression = options.compression
        return engine

    @property
    def reduces_gpu_memory(self) -> bool:
        """Whether groups in GPU memory can be registered: the same on every rank."""
        return self.gpu is not None and self.gpu.used

    def register_group(
        self,
        key: str,
        kind: str,
        tensors: Sequence[TensorSpec],
        reduce_op: str = "sum",
        root: int = 0,
        in_gpu_memory: bool = False,
    ) -> int:
        """Registers a call site; returns its id (uint64). Does not wait for other ranks.

        Args:
          key: equal on every rank, different for every call site.
          kind: "all_reduce", "broadcast" or "all_gather".
          tensors: one for broadcast and all_gather.
          reduce_op: "sum" or "mean".
          root: the rank that a broadcast starts from.
          in_gpu_memory: of an all_reduce by op kernels, if `reduces_gpu_memory`.

        Raises:
          InvalidArgumentError: `key` is known with another content, or the content makes no sense.
        """
        with self._lock:
            known = self._groups.get(key)
        if known is not None:
            return known
        specs = (library.Tensor * len(tensors))()
        for spec, tensor in zip(specs, tensors):
            spec.name = tensor.name.encode()
            spec.dtype = DTYPES[tensor.dtype]
            spec.dims = len(tensor.shape)
            spec.shape = (ctypes.c_int64 * len(tensor.shape))(*tensor.shape)
        group = ctypes.c_uint64()
        rest = (specs, len(tensors), ctypes.byref(group))
        start, op = (self.handle, key.encode()), _REDUCE_OPS[reduce_op]
        if in_gpu_memory:
            self.gpu.register_group(*start, op, *rest)
        else:
            library.call("ddl_register_group", *start, _KINDS[kind], op, root, *rest)
        with self._lock:
            self._groups[key] = group.value
            self._keys[group.value] = key.encode()
        return group.value

    def _call_text(self, group: int) -> bytes:
        """What ranks compare before a blocking call: the group's key."""
        with self._lock:
            return self._keys[group]

    def all_reduce(
        self, group: int, arrays: Sequence[np.ndarray], outs: Sequence[np.ndarray]
    ) -> None:
        """Reduces all tensors of `group`; C-contiguous arrays, `outs[i]` may be `arrays[i]`."""
        n = len(arrays)
        sources = _pointers(arrays)
        results = sources if outs is arrays else _pointers(outs)
        library.call(
            "ddl_all_reduce",
            self.handle,
            group,
            self._call_text(group),
            n,
            sources,
            results,
            (ctypes.c_int64 * n)(*[a.size for a in arrays]),
        )

    def broadcast(self, group: int, array: np.ndarray, out: np.ndarray, count: int) -> None:
        """Sends `array` of the group's root to `out` of every rank; `count` elements."""
        call = (self.handle, group, self._call_text(group))
        places = (library.address(array), library.address(out))
        library.call("ddl_broadcast", *call, *places, count)

    def all_gather(
        self, group: int, array: np.ndarray, element_bytes: int, call: str = ""
    ) -> tuple[bytes, list[int]]:
        """Everybody's elements one behind the other, as bytes, and the element count of each.

        `call`: the words that ranks compare before they wait for each other; default: the group's
        key. If they differ, the error shows every rank's.
        """
        counts = (ctypes.c_int64 * self.size)()
        out = ctypes.c_void_p()
        library.call(
            "ddl_all_gather",
            self.handle,
            group,
            call.encode("utf-8", "replace") or self._call_text(group),
            library.address(array),
            array.nbytes // element_bytes,
            element_bytes,
            counts,
            ctypes.byref(out),
        )
        try:
            data = ctypes.string_at(out, sum(counts) * element_bytes)
        finally:
            library.load().ddl_free(out)
        return data, list(counts)

    def abort(self, message: str, code: int = 2) -> None:
        """Fails the job on every rank with `message` (code: errors.BY_CODE)."""
        library.load().ddl_engine_abort(self.handle, code, message.encode("utf-8", "replace"))

    def check_health(self) -> None:
        """Raises the error that ended the job, if it has ended."""
        library.call("ddl_engine_health", self.handle)

    def stats(self) -> dict[str, Any]:
        """Counters since the start; see docs/architecture.md."""
        return library.take_json(library.load().ddl_engine_stats(self.handle))

    def plans(self) -> dict[str, Any]:
        """Topology, links, plans and how long buckets took; see custom_ops/capi/ddl.h."""
        return library.take_json(library.load().ddl_engine_plans(self.handle))

    def record_timeline(self, enabled: bool) -> None:
        """Starts or stops recording when tensors arrive and buckets travel."""
        library.load().ddl_engine_record_timeline(self.handle, int(enabled))

    def timeline(self) -> list[dict[str, Any]]:
        """The recorded calls, oldest first; times in seconds of the monotonic clock."""
        return library.take_json(library.load().ddl_engine_timeline(self.handle))

    def shutdown(self) -> None:
        """Says goodbye to the other ranks. Idempotent."""
        library.load().ddl_engine_shutdown(self.handle)
