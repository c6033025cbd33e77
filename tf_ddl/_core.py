"""The compiled core by way of ctypes: engines and blocking collectives over numpy arrays.

Nothing here, nor in the library behind it, knows TensorFlow.
"""

from __future__ import annotations

import ctypes
import functools
import json
import pathlib
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_ddl import errors

__all__ = ["DTYPES", "Engine", "TensorSpec", "build_info", "library_path"]

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
_ERROR_BYTES = 4096


class Described(NamedTuple):
    """What a user says of a job's topology and links, as texts of custom_ops/plan/topology.h."""

    grid: str = ""
    topology: str = ""
    links: str = ""


NOTHING = Described()


class TensorSpec(NamedTuple):
    """One tensor of a group: name for messages, a key of DTYPES, shape with -1 for unknown."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class _Config(ctypes.Structure):
    _fields_ = [
        ("rank", ctypes.c_int32),
        ("size", ctypes.c_int32),
        ("rendezvous", ctypes.c_char_p),
        ("secret", ctypes.c_char_p),
        ("host_store", ctypes.c_int32),
        ("join_timeout", ctypes.c_double),
        ("use_shared_memory", ctypes.c_int32),
        ("use_cma", ctypes.c_int32),
        ("interfaces", ctypes.c_char_p),
        ("sockets_per_rail", ctypes.c_int32),
        ("bucket_bytes", ctypes.c_int64),
        ("first_bucket_bytes", ctypes.c_int64),
        ("timeout", ctypes.c_double),
        ("stall_warning", ctypes.c_double),
        ("grid", ctypes.c_char_p),
        ("topology", ctypes.c_char_p),
        ("links", ctypes.c_char_p),
        ("measure_links", ctypes.c_int32),
        ("plan", ctypes.c_char_p),
        ("chunk_bytes", ctypes.c_int64),
        ("compression", ctypes.c_int32),
        ("autotune", ctypes.c_int32),
        ("tune_buckets", ctypes.c_int32),
        ("deterministic", ctypes.c_int32),
        ("huge_pages", ctypes.c_int32),
    ]


class _TensorSpec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int32),
        ("dims", ctypes.c_int32),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
    ]


def library_path() -> pathlib.Path:
    """Where libtf_ddl_core.so is expected."""
    return pathlib.Path(__file__).parent / "_lib" / "libtf_ddl_core.so"


@functools.cache
def _library() -> ctypes.CDLL:
    path = library_path()
    try:
        # The ops library finds its engines in this one, so there must be one copy per process.
        library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise errors.BuildError(
            f"tf_ddl's core library cannot be loaded: {error}. Build and install the package "
            "again: pip install --force-reinstall --no-deps . (in its source folder)"
        ) from error
    i32, i64, u64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64
    text, size, void = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p
    ref = ctypes.POINTER
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "ddl_engine_create": (ctypes.c_int, [ref(_Config), ref(i64), text, size]),
        "ddl_engine_shutdown": (ctypes.c_int, [i64]),
        "ddl_engine_abort": (ctypes.c_int, [i64, ctypes.c_int, text]),
        "ddl_engine_health": (ctypes.c_int, [i64, text, size]),
        "ddl_register_group": (
            ctypes.c_int,
            [i64, text, ctypes.c_int, ctypes.c_int, ctypes.c_int, ref(_TensorSpec), i32, ref(u64)]
            + [text, size],
        ),
        "ddl_all_reduce": (
            ctypes.c_int,
            [i64, u64, text, i32, ref(void), ref(void), ref(i64), text, size],
        ),
        "ddl_broadcast": (ctypes.c_int, [i64, u64, text, void, void, i64, text, size]),
        "ddl_all_gather": (
            ctypes.c_int,
            [i64, u64, text, void, i64, size, ref(i64), ref(void), text, size],
        ),
        "ddl_free": (None, [void]),
        "ddl_engine_stats": (void, [i64]),
        "ddl_engine_plans": (void, [i64]),
        "ddl_engine_record_timeline": (ctypes.c_int, [i64, ctypes.c_int]),
        "ddl_engine_timeline": (void, [i64]),
        "ddl_store_create": (
            ctypes.c_int,
            [text, i32, i32, text, ctypes.c_double, ref(i64), ref(i32), text, size],
        ),
        "ddl_store_destroy": (ctypes.c_int, [i64]),
        "ddl_build_info": (text, []),
    }
    for name, (restype, argtypes) in signatures.items():
        function = getattr(library, name)
        function.restype = restype
        function.argtypes = argtypes
    return library


class _Messages(threading.local):
    """Where the core writes an error's text: one place per thread."""

    def __init__(self) -> None:
        self.buffer = ctypes.create_string_buffer(_ERROR_BYTES)


_messages = _Messages()


def _call(name: str, *args: Any) -> None:
    """Calls a function whose last two parameters take the error's text; raises the error."""
    message = _messages.buffer
    code = getattr(_library(), name)(*args, message, _ERROR_BYTES)
    if code != 0:
        text = message.value.decode("utf-8", "replace")
        raise errors.BY_CODE.get(code, errors.InternalError)(text)


def _address(array: np.ndarray) -> int:
    # Half the time of array.ctypes.data, which makes an object to ask.
    return array.__array_interface__["data"][0]


def _take_json(pointer: int | None) -> Any:
    if not pointer:
        raise errors.NotInitializedError("tf_ddl is not initialised, or has been shut down")
    try:
        return json.loads(ctypes.string_at(pointer))
    finally:
        _library().ddl_free(pointer)


def build_info() -> str:
    """The compiler that built the core."""
    return _library().ddl_build_info().decode()


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
        cls, cluster: Any, options: Any, described: Described = NOTHING, gpu: Any = None
    ) -> Engine:
        """Joins a job.

        Args:
          cluster: which, and who this process is in it (cluster.Cluster).
          options: how to work (options.Options).
          described: what the files that the options name say.
          gpu: the GPU that this process uses (_core_gpu.Gpu), or None.

        Raises:
          PeerLostError, NotInitializedError: a rank cannot use NCCL, which is asked for; and why.
          DeadlineError: a rank did not come in time; the message names it.
          SecretError, DuplicateError, InvalidArgumentError: refused, and why.
        """
        tuned = options.autotune and not options.deterministic
        config = _Config(
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
        )
        handle = ctypes.c_int64()
        if gpu is None:
            _call("ddl_engine_create", ctypes.byref(config), ctypes.byref(handle))
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
        specs = (_TensorSpec * len(tensors))()
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
            _call("ddl_register_group", *start, _KINDS[kind], op, root, *rest)
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
        _call(
            "ddl_all_reduce",
            self.handle,
            group,
            self._call_text(group),
            n,
            (ctypes.c_void_p * n)(*[_address(a) for a in arrays]),
            (ctypes.c_void_p * n)(*[_address(o) for o in outs]),
            (ctypes.c_int64 * n)(*[a.size for a in arrays]),
        )

    def broadcast(self, group: int, array: np.ndarray, out: np.ndarray, count: int) -> None:
        """Sends `array` of the group's root to `out` of every rank; `count` elements."""
        call = (self.handle, group, self._call_text(group))
        _call("ddl_broadcast", *call, array.ctypes.data, out.ctypes.data, count)

    def all_gather(
        self, group: int, array: np.ndarray, element_bytes: int, call: str = ""
    ) -> tuple[bytes, list[int]]:
        """Everybody's elements one behind the other, as bytes, and the element count of each.

        `call`: the words that ranks compare before they wait for each other; default: the group's
        key. If they differ, the error shows every rank's.
        """
        counts = (ctypes.c_int64 * self.size)()
        out = ctypes.c_void_p()
        _call(
            "ddl_all_gather",
            self.handle,
            group,
            call.encode("utf-8", "replace") or self._call_text(group),
            array.ctypes.data,
            array.nbytes // element_bytes,
            element_bytes,
            counts,
            ctypes.byref(out),
        )
        try:
            data = ctypes.string_at(out, sum(counts) * element_bytes)
        finally:
            _library().ddl_free(out)
        return data, list(counts)

    def abort(self, message: str, code: int = 2) -> None:
        """Fails the job on every rank with `message` (code: errors.BY_CODE)."""
        _library().ddl_engine_abort(self.handle, code, message.encode("utf-8", "replace"))

    def check_health(self) -> None:
        """Raises the error that ended the job, if it has ended."""
        _call("ddl_engine_health", self.handle)

    def stats(self) -> dict[str, Any]:
        """Counters since the start; see docs/architecture.md."""
        return _take_json(_library().ddl_engine_stats(self.handle))

    def plans(self) -> dict[str, Any]:
        """Topology, links, plans and how long buckets took; see custom_ops/capi/ddl.h."""
        return _take_json(_library().ddl_engine_plans(self.handle))

    def record_timeline(self, enabled: bool) -> None:
        """Starts or stops recording when tensors arrive and buckets travel."""
        _library().ddl_engine_record_timeline(self.handle, int(enabled))

    def timeline(self) -> list[dict[str, Any]]:
        """The recorded calls, oldest first; times in seconds of the monotonic clock."""
        return _take_json(_library().ddl_engine_timeline(self.handle))

    def shutdown(self) -> None:
        """Says goodbye to the other ranks. Idempotent."""
        _library().ddl_engine_shutdown(self.handle)
