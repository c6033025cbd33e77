"""The one module that imports `tensorflow.python.*`.

What tf_ddl needs of TensorFlow beyond its public API is listed here and nowhere else. When a new
TensorFlow moves something, it is mended here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from tf_ddl import errors

#: The TensorFlow versions that are supported: at least the first, below the second.
SUPPORTED_TENSORFLOW = ((2, 21), (2, 24))


def supported() -> str:
    """SUPPORTED_TENSORFLOW as a requirement for pip."""
    low, high = SUPPORTED_TENSORFLOW
    return f"tensorflow>={low[0]}.{low[1]},<{high[0]}.{high[1]}"


try:
    import tensorflow as tf
except ImportError as error:
    raise errors.BuildError(
        f"tf_ddl's strategy needs TensorFlow, which cannot be imported here ({error}). Install it "
        f"under the name that suits the machine, such as: pip install '{supported()}' (or "
        "tensorflow-cpu), then build tf_ddl's ops against it: "
        "pip install --force-reinstall --no-deps . (in tf_ddl's sources)"
    ) from error

try:
    from tensorflow.python.autograph.core import config as autograph_config
    from tensorflow.python.checkpoint import functional_saver
    from tensorflow.python.data.ops import from_tensor_slices_op, shuffle_op
    from tensorflow.python.distribute import device_util, distribute_lib, reduce_util
    from tensorflow.python.eager import context, core, execute, record
    from tensorflow.python.eager.polymorphic_function import concrete_function
    from tensorflow.python.framework import auto_control_deps, func_graph, indexed_slices, ops
    from tensorflow.python.ops import control_flow_util, resource_variable_ops
    from tensorflow.python.trackable import base as trackable
except ImportError as error:
    raise errors.BuildError(
        f"TensorFlow {tf.__version__} lacks an internal module that tf_ddl uses ({error}). "
        f"Install one that this tf_ddl supports: pip install '{supported()}'"
    ) from error

FuncGraph = func_graph.FuncGraph
IndexedSlices = indexed_slices.IndexedSlices
InputContext = distribute_lib.InputContext
ReduceOp = reduce_util.ReduceOp
ReplicaContext = distribute_lib.ReplicaContext
ResourceVariable = resource_variable_ops.BaseResourceVariable
#: What TensorFlow's fast way in eager mode reads by its handle, without asking the variable.
HandleVariable = resource_variable_ops.ResourceVariable
StrategyExtended = distribute_lib.StrategyExtendedV1
UpdateContext = distribute_lib.UpdateContext
ValueContext = distribute_lib.ValueContext
VariableWatcher = record.VariableWatcher


#: Modules of which `_tf.adapters` wraps functions.
EXECUTION = execute.__name__
FUNCTIONS = concrete_function.__name__
SAVER = functional_saver.__name__
STATUS = core.__name__

#: Key of a variable's value in what a checkpoint saves and restores.
VARIABLE_VALUE_KEY = trackable.VARIABLE_VALUE_KEY

in_variable_sync_on_read_context = distribute_lib.in_variable_sync_on_read_context
require_cross_replica_or_default = distribute_lib._require_cross_replica_or_default_context_extended

# Like TensorFlow's own modules: AutoGraph converts users' functions, not what these call here.
autograph_config.CONVERSION_RULES = (
    autograph_config.DoNotConvert("tf_ddl"),
    *autograph_config.CONVERSION_RULES,
)

# A DdlKeep is executed with its function, in whatever order: nothing is to wait for it.
auto_control_deps.MUST_RUN_ORDER_INSENSITIVE_STATEFUL_OPS |= {"DdlKeep"}


def upstream(dataset: Any) -> Iterator[Any]:
    """`dataset`, and those that it was made from."""
    seen: set[int] = set()
    pending = [dataset]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inputs = getattr(one, "_inputs", None)
        if callable(inputs):
            pending.extend(inputs())


def shuffle_seeds(dataset: Any) -> tuple[int, int] | None:
    """The seeds of a dataset that `shuffle` made, zeros if there was none, own or global."""
    if not isinstance(dataset, shuffle_op._ShuffleDataset):
        return None
    seeds = [tf.get_static_value(seed) for seed in (dataset._seed, dataset._seed2)]
    return None if None in seeds else (int(seeds[0]), int(seeds[1]))


def source_tensors(dataset: Any) -> list[Any]:
    """What `tf.data.Dataset.from_tensor_slices` was given; nothing for other datasets."""
    known = isinstance(dataset, from_tensor_slices_op._TensorSliceDataset)
    return list(dataset._tensors) if known else []


def in_update() -> bool:
    """Whether `StrategyExtended.update` is running on this thread."""
    return distribute_lib.get_update_replica_id() is not None


def resolve_device(device: str) -> str:
    """The full name of a device: "/job:localhost/replica:0/task:0/device:CPU:0"."""
    return device_util.resolve(device)


def device_of(tensor: Any) -> str:
    """The device of a tensor, as far as it is known; of one in a graph, else the one in force."""
    return tensor.device or device_util.current() or ""


def colocate_with(variable: Any) -> Any:
    """A context in which ops are placed where `variable` is."""
    return ops.colocate_with(variable)


def default_graph() -> Any:
    """The graph that ops are added to; only meaningful outside eager execution."""
    return ops.get_default_graph()


def creation_number(op: Any) -> int:
    """Grows from op to op of a graph, in the order in which they were made."""
    return op._id


def run_after(op: Any, before: Any) -> None:
    """Adds a control dependency to an op that exists: it runs after `before`, of the same graph."""
    op._add_control_input(before)


def in_jit_compiled_function() -> bool:
    """Whether a `tf.function(jit_compile=True)`, or a function that it calls, is being traced."""
    if tf.executing_eagerly():
        return False
    return control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph())


def in_branch() -> bool:
    """Whether a branch of a condition, or a loop's body, is being traced."""
    return not tf.executing_eagerly() and type(ops.get_default_graph()) is not FuncGraph


def enclosing_functions(graph: Any) -> list[Any]:
    """`graph`, and the functions within which it is traced; the outermost is the last."""
    graphs = [graph]
    while isinstance(getattr(graphs[-1], "outer_graph", None), FuncGraph):
        graphs.append(graphs[-1].outer_graph)
    return graphs


@contextlib.contextmanager
def building_in(graph: Any) -> Iterator[None]:
    """Adds ops to `graph`, a function around the one being traced; outside tapes and conditions."""
    if tf.executing_eagerly() or ops.get_default_graph() is graph:
        yield
        return
    with graph.as_default(), ops.control_dependencies(None), record.stop_recording():
        yield


def global_seed() -> int | None:
    """The seed of `tf.random.set_seed`, or None."""
    return context.global_seed()


@contextlib.contextmanager
def random_ops_seeded(derive: Callable[[int], int]) -> Iterator[None]:
    """Random ops that are made within take `derive(seed)` for the global seed, if there is one."""
    # Not set_random_seed, which would begin the seeds of single ops anew.
    holder: Any = context.context() if tf.executing_eagerly() else ops.get_default_graph()
    name = "_seed" if tf.executing_eagerly() else "seed"
    seed = getattr(holder, name)
    if seed is None:
        yield
        return
    setattr(holder, name, derive(int(seed)))
    try:
        yield
    finally:
        setattr(holder, name, seed)


def local_variable(value: Any, dtype: Any, name: str) -> Any:
    """A variable of this process alone, on the CPU, whatever scopes are active."""
    with ops.device("/device:CPU:0"):
        return resource_variable_ops.ResourceVariable(
            value, dtype=dtype, name=name, trainable=False
        )
