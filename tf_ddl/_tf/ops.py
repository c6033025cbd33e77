"""The compiled TensorFlow ops: loading the library, naming groups, calling the ops.

Everything here takes and gives tensors; what a strategy or Keras makes of them is elsewhere.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from tf_ddl import errors
from tf_ddl._base.scoped_value import ScopedValue
from tf_ddl._native import library, process_engine
from tf_ddl._native.engine import Engine, TensorSpec
from tf_ddl._tf import callback_scope, ops_build, private_api
from tf_ddl._tf.private_api import tf
from tf_ddl._tf.program_order import in_program_order

__all__ = [
    "REDUCIBLE",
    "all_gather",
    "all_reduce",
    "announce_function",
    "broadcast",
    "load",
    "recording",
]

#: dtypes with arithmetic in the core; others can be broadcast and gathered, as bytes.
REDUCIBLE = frozenset(
    {tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int32, tf.int64},
)
#: Of these, the ones that are reduced in GPU memory where they are in it. TensorFlow keeps small
#: integers (counters, shapes) in host memory anyway.
_IN_GPU_MEMORY = frozenset({tf.float32, tf.float64, tf.float16, tf.bfloat16})

_recorded: ScopedValue[list[str] | None] = ScopedValue(None)


@functools.cache
def load() -> Any:
    """The loaded ops, as a module with one function per op.

    Raises:
      BuildError: the library is missing or was built for another TensorFlow.
    """
    ops_build.check()
    library.build_info()  # loads the core first: the ops find their engines in it
    path = library.path(library.OPS)
    try:
        module = tf.load_op_library(str(path))
    except (tf.errors.NotFoundError, tf.errors.OpError, OSError) as error:
        text = getattr(error, "message", None) or str(error)
        raise errors.BuildError(
            f"the ops cannot be loaded from {path}: {text}. Build them again: {ops_build.REBUILD}"
        ) from error
    _register_gradients()
    return module


# --- groups ---------------------------------------------------------------------------------------

#: Attribute of functions: the first collective in them, in words.
_COLLECTIVE = "_tf_ddl_collective"

# Per outermost function being traced: how often each signature has occurred.
_occurrences: weakref.WeakKeyDictionary[Any, collections.Counter[str]] = weakref.WeakKeyDictionary()


def _spec(name: str, tensor: tf.Tensor, any_rows: bool = False) -> TensorSpec:
    if tensor.shape.rank is None:
        shape: tuple[int, ...] = (-1,)
    else:
        shape = tuple(-1 if dim is None else dim for dim in tensor.shape.as_list())
    if any_rows and shape:
        shape = (-1, *shape[1:])
    if tensor.dtype in REDUCIBLE:
        return TensorSpec(name, tensor.dtype.name, shape)
    # As bytes: the element's size becomes the last dimension.
    return TensorSpec(f"{name} ({tensor.dtype.name})", "bytes", (*shape, tensor.dtype.size))


def _key(kind: str, reduce_op: str, root: int, specs: Sequence[TensorSpec], site: str = "") -> str:
    """A name for this call that every rank finds without asking.

    Ranks may trace at different times (one sees a new batch size and retraces, the others do not),
    so the key is made of the content, and of how many calls of the same content came before in the
    function that is being traced. Names of tensors are left out: a rank that made another model
    first has other automatic names.
    """
    content = repr((kind, reduce_op, root, [(s.dtype, s.shape) for s in specs], site))
    signature = hashlib.sha256(content.encode()).hexdigest()[:16]
    if tf.executing_eagerly():
        return f"{kind} {signature} eager"
    function = private_api.enclosing_functions(private_api.default_graph())[-1]
    counter = _occurrences.setdefault(function, collections.Counter())
    occurrence = counter[signature]
    counter[signature] += 1
    return f"{kind} {signature} {occurrence}"


@contextlib.contextmanager
def recording() -> Iterator[list[str]]:
    """Gives a list to which every collective that is traced or run inside is added, in words."""
    outer = _recorded.get()
    recorded: list[str] = []
    try:
        with _recorded.set(recorded):
            yield recorded
    finally:
        if outer is not None:
            outer += recorded


def _in_words(kind: str, reduce_op: str, root: int, specs: Sequence[TensorSpec]) -> str:
    """A collective by what must be equal on all ranks; names may differ."""
    how = {"all_reduce": f" ({reduce_op})", "broadcast": f" from rank {root}"}.get(kind, "")
    tensors = [f"{s.dtype}{list(s.shape)}".replace(" ", "") for s in specs]
    return f"{kind}{how} of {', '.join(tensors)}"


def _register(
    engine: Engine,
    kind: str,
    specs: Sequence[TensorSpec],
    reduce_op: str = "sum",
    root: int = 0,
    in_gpu_memory: bool = False,
    site: str = "",
) -> int:
    if private_api.in_jit_compiled_function():
        raise ValueError(
            f"an {kind} over the ranks, of {specs[0].name!r}, is in a tf.function with "
            "jit_compile=True, and XLA cannot compile operations that communicate. Leave "
            "jit_compile out of the tf.function around strategy.run, strategy.reduce and the like; "
            "inside, a tf.function(jit_compile=True) may compute loss and gradients. "
            "model.compile(jit_compile=True) does that by itself"
        )
    more = f" and {len(specs) - 1} more" if len(specs) > 1 else ""
    what = f"{kind} of {specs[0].name}{more}"
    if tf.executing_eagerly():
        callback_scope.announce(what)
    else:
        for function in private_api.enclosing_functions(private_api.default_graph()):
            if not hasattr(function, _COLLECTIVE):
                setattr(function, _COLLECTIVE, what)
    recorded = _recorded.get()
    if recorded is not None:
        recorded.append(_in_words(kind, reduce_op, root, specs))
    key = _key(f"{kind} on GPUs" if in_gpu_memory else kind, reduce_op, root, specs, site)
    group = engine.register_group(
        key, kind, specs, reduce_op=reduce_op, root=root, in_gpu_memory=in_gpu_memory
    )
    return group - (1 << 64) if group >= 1 << 63 else group  # as an op's int attribute


def announce_function(graph: Any) -> None:
    """To be called before a function is executed: see `callback_scope`."""
    what = getattr(graph, _COLLECTIVE, None)
    if what is not None:
        callback_scope.announce_function(what)


def _token() -> tf.Tensor:
    if not tf.executing_eagerly() and not isinstance(
        private_api.default_graph(), private_api.FuncGraph
    ):
        # A graph of TensorFlow 1, which cannot take what was made outside of it.
        return tf.raw_ops.PlaceholderWithDefault(input=tf.zeros([129], tf.int8), shape=[129])
    return _eager_token()


@functools.cache
def _eager_token() -> tf.Tensor:
    # TensorFlow turns captured tensors of up to 128 elements into constants; this one stays an
    # argument of the function, so that no optimizer can compute an op that takes it.
    with tf.init_scope(), tf.device("/device:CPU:0"):
        return tf.zeros([129], tf.int8)


def _name(tensor: tf.Tensor, fallback: str) -> str:
    name = getattr(tensor, "name", None)  # eager tensors have none
    return name.rsplit(":", 1)[0] if name else fallback


def _keep(tensors: Sequence[tf.Tensor]) -> None:
    """Has the ops that make `tensors` executed whenever the function is that they are traced in."""
    if not tf.executing_eagerly():
        with tf.control_dependencies([tensor.op for tensor in tensors]):
            load().ddl_keep()


# --- the ops --------------------------------------------------------------------------------------


def all_reduce(
    engine: Engine,
    tensors: Sequence[tf.Tensor],
    reduce_op: str,
    names: Sequence[str] | None = None,
    contributes: Any = True,
) -> list[tf.Tensor]:
    """All-reduces `tensors` as one group; those in GPU memory, if it is reduced there, as another.

    In a graph each tensor has an op of its own and is reduced as soon as it is ready; in eager mode
    one op reduces all of a group.

    Args:
      engine: where.
      tensors: any shapes, equal on every rank; dtypes of REDUCIBLE.
      reduce_op: "sum" or "mean".
      names: one per tensor, for messages; default: the tensors' own.
      contributes: whether this rank's tensors count; a bool or a boolean scalar tensor. If not,
        they count as zeros, even where they are NaN.

    Returns:
      Tensors of the same shapes and dtypes.
    """
    if not tensors:
        return []
    if names is None:
        names = [_name(tensor, f"tensor {i}") for i, tensor in enumerate(tensors)]
    results: dict[int, tf.Tensor] = {}
    where = [_is_in_gpu_memory(engine, tensor) for tensor in tensors]
    for in_gpu_memory in (True, False):
        chosen = [i for i, there in enumerate(where) if there == in_gpu_memory]
        if chosen:
            reduced = _all_reduce_group(
                engine,
                [tensors[i] for i in chosen],
                [names[i] for i in chosen],
                reduce_op,
                contributes,
                in_gpu_memory,
            )
            results.update(zip(chosen, reduced))
    return [results[i] for i in range(len(tensors))]


def _is_in_gpu_memory(engine: Engine, tensor: tf.Tensor) -> bool:
    """Whether `tensor` is reduced where it is; the same on every rank, as programs are."""
    if not engine.reduces_gpu_memory or tensor.dtype not in _IN_GPU_MEMORY:
        return False
    return "GPU" in private_api.device_of(tensor)


def _all_reduce_group(
    engine: Engine,
    tensors: Sequence[tf.Tensor],
    names: Sequence[str],
    reduce_op: str,
    contributes: Any,
    in_gpu_memory: bool,
) -> list[tf.Tensor]:
    ops = load()
    specs = [_spec(name, tensor) for name, tensor in zip(names, tensors)]
    group = _register(engine, "all_reduce", specs, reduce_op=reduce_op, in_gpu_memory=in_gpu_memory)
    place = (
        tf.device(private_api.device_of(tensors[0])) if in_gpu_memory else contextlib.nullcontext()
    )
    common = {"engine": engine.handle, "group": group, "reduce_op": reduce_op}
    if tf.executing_eagerly():
        op = ops.ddl_device_group_all_reduce if in_gpu_memory else ops.ddl_group_all_reduce
        with place:
            return list(op(tensors, _token(), contributes, tensor_names=list(names), **common))
    op = ops.ddl_device_all_reduce if in_gpu_memory else ops.ddl_all_reduce
    contributes = tf.convert_to_tensor(contributes)
    with place, in_program_order(engine):
        results = [
            op(tensor, _token(), contributes, index=i, tensor_name=name, **common)
            for i, (name, tensor) in enumerate(zip(names, tensors))
        ]
    _keep(results)
    return results


def broadcast(engine: Engine, tensor: tf.Tensor, root: int = 0, name: str = "") -> tf.Tensor:
    """The root's `tensor` (fixed-size dtype, the same shape on every rank) on every rank."""
    name = name or _name(tensor, "tensor")
    group = _register(engine, "broadcast", [_spec(name, tensor)], root=root)
    with in_program_order(engine):
        result = load().ddl_broadcast(
            tensor, _token(), engine=engine.handle, group=group, root=root, tensor_name=name
        )
    _keep([result])
    return result


def all_gather(
    engine: Engine, tensor: tf.Tensor, name: str = "", site: str = ""
) -> tuple[tf.Tensor, tf.Tensor]:
    """Concatenates the ranks' tensors along the first dimension, which may differ.

    Args:
      engine: where.
      tensor: at least one dimension; fixed-size dtype.
      name: for messages.
      site: what tells this call apart from others of the same shape that may overtake it.

    Returns:
      The concatenation in rank order, and int64 [size] with each rank's number of rows.
    """
    name = name or _name(tensor, "tensor")
    group = _register(engine, "all_gather", [_spec(name, tensor, any_rows=True)], site=site)
    with in_program_order(engine):
        gathered, rows = load().ddl_all_gather(
            tensor, _token(), engine=engine.handle, group=group, tensor_name=name
        )
    _keep([gathered])
    return gathered, rows


# --- gradients ------------------------------------------------------------------------------------


def _engine_of(op: Any) -> Engine:
    engine = process_engine.current_engine()
    if engine.handle != op.get_attr("engine"):
        raise errors.NotInitializedError(
            "the function was traced for an engine that has been shut down; trace it again"
        )
    return engine


def _dense(gradient: Any, like: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(like) if gradient is None else tf.convert_to_tensor(gradient)


def _all_reduce_gradient(op: Any, *gradients: Any) -> list[tf.Tensor | None]:
    # y = sum over ranks of x, and every rank's loss depends on its y: dx is the sum of the dy.
    # The loss of a rank that does not contribute does not count either.
    reduce_op = op.get_attr("reduce_op").decode()
    contributes = op.inputs[-1]
    dense = [_dense(g, y) for g, y in zip(gradients, op.outputs)]
    return [*all_reduce(_engine_of(op), dense, reduce_op, contributes=contributes), None, None]


def _broadcast_gradient(op: Any, gradient: Any) -> list[tf.Tensor | None]:
    engine = _engine_of(op)
    (total,) = all_reduce(engine, [_dense(gradient, op.outputs[0])], "sum")
    if engine.rank != op.get_attr("root"):
        total = tf.zeros_like(total)
    return [total, None]


def _all_gather_gradient(op: Any, gradient: Any, _: Any) -> list[tf.Tensor | None]:
    engine = _engine_of(op)
    gathered, rows = op.outputs
    # The number of rows in all may be unknown when this is traced; it is the same on every rank.
    (total,) = all_reduce(engine, [_dense(gradient, gathered)], "sum")
    begin = tf.reduce_sum(rows[: engine.rank])
    return [total[begin : begin + rows[engine.rank]], None]


def _register_gradients() -> None:
    tf.RegisterGradient("DdlAllReduce")(_all_reduce_gradient)
    tf.RegisterGradient("DdlGroupAllReduce")(_all_reduce_gradient)
    tf.RegisterGradient("DdlDeviceAllReduce")(_all_reduce_gradient)
    tf.RegisterGradient("DdlDeviceGroupAllReduce")(_all_reduce_gradient)
    tf.RegisterGradient("DdlBroadcast")(_broadcast_gradient)
    tf.RegisterGradient("DdlAllGather")(_all_gather_gradient)
