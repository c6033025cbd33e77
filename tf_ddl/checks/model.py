"""Compares the ranks' models: `strategy.check`, and before the first step.

Before a Keras model's first training step the ranks compare its weights, its configuration and its
optimizer's; after tracing it, the collectives of which the step consists. Of other functions given
to `strategy.run` it is the variables that they train, and their collectives. When all is well that
is two messages of 33 bytes per rank, and reading the weights once.
"""

from __future__ import annotations

import hashlib
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from tf_ddl._native.engine import Engine
from tf_ddl._tf import failures, private_api
from tf_ddl._tf.local_values import display_name, local_value
from tf_ddl._tf.private_api import tf
from tf_ddl.checks.description import Description, compare_descriptions
from tf_ddl.checks.exchange import gather_texts

__all__ = ["FirstStepCheck", "check_model"]

#: Keys of configurations in which ranks may differ: names count what was made before, shapes hold
#: the rows of a rank's batch, and seeds are drawn at random (initial values are rank 0's anyway).
_LEFT_OUT = frozenset(
    {
        "batch_shape",
        "build_config",
        "inbound_nodes",
        "input_layers",
        "name",
        "output_layers",
        "registered_name",
    }
)
_LEFT_OUT_ENDINGS = ("seed", "input_shape", "shapes_dict")
_PURPOSE = "the check before the first training step"
_ANYWAY = ". To train all the same: Options(check_first_step=False)"


def _digest(variable: Any) -> str:
    array = np.ascontiguousarray(local_value(variable).numpy())
    if array.dtype == object:  # strings
        data: Any = repr(array.tolist()).encode()
    else:
        data = array.reshape(-1).view(np.uint8)
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _weight(variable: Any, name: str) -> tuple[str, str, str]:
    trained = "" if variable.trainable else ", not trained"
    shape = ",".join("?" if n is None else str(n) for n in variable.shape.as_list())
    return name, f"{variable.dtype.name} [{shape}]{trained}", _digest(variable)


def _describe(
    variables: Iterable[tuple[str, Any]],
    facts: Mapping[str, str],
    is_own: Callable[[Any], bool],
) -> Description:
    """Of (name, TensorFlow variable); those that are meant to differ between ranks are left out."""
    weights, foreign = [], []
    for name, variable in variables:
        if variable.trainable and not is_own(variable):
            foreign.append(name)
        if variable.synchronization != tf.VariableSynchronization.ON_READ:
            weights.append(_weight(variable, name))
    versions = {"the version of TensorFlow": tf.__version__}
    return Description({**versions, **facts}, weights, foreign)


# --- Keras ----------------------------------------------------------------------------------------


def _flatten(value: Any, path: str, facts: dict[str, str]) -> None:
    """Adds a configuration's leaves to `facts`, each with its path."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__lambda__":
            return  # holds the file's path
        for key, inner in value.items():
            left_out = key in _LEFT_OUT or str(key).endswith(_LEFT_OUT_ENDINGS)
            if not left_out or (key == "name" and "dtype" in path):
                _flatten(inner, f"{path}.{key}".replace(".config", ""), facts)
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            _flatten(inner, f"{path}[{i}]", facts)
    elif value is None or isinstance(value, (bool, int, float, str, np.number)):
        facts[path] = str(value)
    else:
        facts[path] = type(value).__name__


def _configuration(get_config: Callable[[], Any], path: str, facts: dict[str, str]) -> None:
    """As `_flatten`; what has no configuration, as many subclassed models, is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            config = get_config()
        except Exception:
            return
    _flatten(config, path, facts)


def _optimizers(model: Any) -> dict[str, Any]:
    import keras

    return {
        name: value
        for name, value in sorted(vars(model).items())
        if isinstance(value, keras.optimizers.Optimizer)
    }


def _iterations(optimizer: Any) -> int:
    import keras

    return int(keras.ops.convert_to_numpy(optimizer.iterations))


def _keras_facts(model: Any) -> dict[str, str]:
    import keras

    facts = {"the version of Keras": keras.__version__}
    facts["model"] = type(model).__name__
    _configuration(model.get_config, "model", facts)
    if hasattr(model, "get_compile_config"):
        _configuration(model.get_compile_config, "compile", facts)
    for name, optimizer in _optimizers(model).items():
        name = name.removeprefix("_")
        facts[name] = type(optimizer).__name__
        _configuration(optimizer.get_config, name, facts)
        facts[f"{name}.iterations"] = str(_iterations(optimizer))
    for name in ("run_eagerly", "steps_per_execution"):
        facts[name] = str(getattr(model, name, None))
    return facts


def _keras_weights(model: Any, with_optimizer: bool) -> list[tuple[str, Any]]:
    found = list(model.weights)
    for optimizer in _optimizers(model).values():
        # In a new one they are zeros, and as much to read as the weights or more.
        if with_optimizer or _iterations(optimizer) > 0:
            found += optimizer.variables
    return [(v.path, v.value) for v in found if isinstance(v.value, private_api.ResourceVariable)]


def _is_keras(model: Any) -> bool:
    return hasattr(model, "weights") and hasattr(model, "get_config")


def _message(mistakes: list[str], what: str) -> str:
    listed = mistakes[0] if len(mistakes) == 1 else "".join(f"\n  * {one}" for one in mistakes)
    return f"{what}: {listed}" + (_ANYWAY if what == _PURPOSE else "")


def _raise(mistakes: list[str], what: str) -> None:
    if mistakes:
        raise failures.mistake(_message(mistakes, what))


def _compare_ranks(engine: Engine, mine: Description, purpose: str) -> list[str]:
    """What is wrong when the ranks' descriptions are laid side by side.

    Digests first: where all is well, that is all that is sent.
    """
    if engine.size == 1:
        return compare_descriptions([mine])
    flag = b"!" if mine.foreign else b"."
    digests = gather_texts(engine, mine.digest() + flag, purpose)
    if len(set(digests)) == 1 and digests[0].endswith(b"."):
        return []
    # A rank whose description another one sends too leaves that to the lower one.
    with_names = mine.foreign or digests.index(digests[engine.rank]) == engine.rank
    texts = gather_texts(engine, mine.text() if with_names else "", f"{purpose}, in full")
    ranks: list[Description] = []
    for rank, text in enumerate(texts):
        like = digests.index(digests[rank])
        ranks.append(Description.from_text(text.decode()) if text else ranks[like])
    return compare_descriptions(ranks)


def check_model(engine: Engine, model: Any, is_own: Callable[[Any], bool]) -> None:
    """Implements `DDLStrategy.check`."""
    if not tf.executing_eagerly():
        raise RuntimeError("strategy.check cannot be called in a tf.function or in strategy.run")
    if _is_keras(model):
        if not getattr(model, "built", True):
            raise failures.mistake(
                "strategy.check: the model has no weights yet; call model.build(input_shape), or "
                "the model on a batch, first"
            )
        description = _describe(_keras_weights(model, True), _keras_facts(model), is_own)
    else:
        found = getattr(model, "variables", model)
        found = list(found.values() if isinstance(found, Mapping) else found)
        tensors = [getattr(v, "value", v) if hasattr(v, "path") else v for v in found]
        for variable in tensors:
            if not isinstance(variable, private_api.ResourceVariable):
                raise TypeError(
                    "strategy.check takes a Keras model, something with `variables`, or a list of "
                    f"variables; not a {type(variable).__name__}"
                )
        named = [(display_name(v), v) for v in tensors]
        description = _describe(named, {}, is_own)
    _raise(_compare_ranks(engine, description, "strategy.check"), "strategy.check")


class Step(Protocol):
    """What is to be known of a call of `strategy.run`; `replica.step.Step` is one.

    Attributes:
      fn: the function as it was passed to `run`.
      identity: equal for calls of the same step function.
      keras_step: "train", "test" or "predict", if it is that step of a Keras model; else "".
      assigned: trainable variables that it assigned, by id.
    """

    fn: Any
    identity: Any
    keras_step: str
    assigned: dict[int, Any]


class FirstStepCheck:
    """Compares the ranks once for each step function and `compile`, before its first run ends.

    Args:
      engine: the job.
      enabled: `Options.check_first_step`.
      is_own: whether a variable was created in the strategy's scope.
    """

    def __init__(self, engine: Engine, enabled: bool, is_own: Callable[[Any], bool]) -> None:
        self._engine = engine
        self._enabled = enabled and engine.size > 1
        self._is_own = is_own
        self._done: dict[Any, Any] = {}  # by step function: whose it is, weakly

    def _is_first(self, step: Step, part: str) -> bool:
        """Whether it is, and from now on it is not.

        Must come out alike on every rank: not by addresses, which may be used again on one rank
        and not on another, once a model is gone.
        """
        owner = getattr(step.fn, "__self__", None)
        key = (part, step.identity)
        # `compile` makes a new one.
        owner = getattr(owner, "train_function", None) or owner
        known = self._done.get(key)
        if known is not None and (owner is None or known() is owner):
            return False
        self._done[key] = (lambda: None) if owner is None else weakref.ref(owner)
        return True

    def program(self, model: Any) -> None:
        """Compares all but the weights, before a Keras model's optimizer makes its variables.

        Raises:
          InvalidArgumentError: see `before`.
        """
        if self._enabled and tf.executing_eagerly():
            description = _describe([], _keras_facts(model), self._is_own)
            _raise(_compare_ranks(self._engine, description, _PURPOSE), _PURPOSE)

    def before(self, step: Step) -> None:
        """Called before a step function is run or traced.

        Raises:
          InvalidArgumentError: on every rank, with all mistakes that were found on any.
        """
        if not self._enabled or step.keras_step != "train" or not self._is_first(step, "before"):
            return
        model = step.fn.__self__
        with tf.init_scope():
            if not tf.executing_eagerly():
                return
            description = _describe(_keras_weights(model, False), _keras_facts(model), self._is_own)
            _raise(_compare_ranks(self._engine, description, _PURPOSE), _PURPOSE)

    def after(self, step: Step, collectives: list[str]) -> None:
        """Called after a step function was run or traced, with the collectives that it consists of.

        Raises:
          InvalidArgumentError: see `before`.
        """
        if not self._enabled or not step.assigned or not self._is_first(step, "after"):
            return
        facts = {f"collective {i} of the step": text for i, text in enumerate(collectives)}
        with tf.init_scope():
            if not tf.executing_eagerly():
                return
            mine = [] if step.keras_step else step.assigned.values()
            named = [(display_name(v), v) for v in mine]
            description = _describe(named, facts, self._is_own)
            mistakes = _compare_ranks(self._engine, description, _PURPOSE)
        if mistakes:
            raise failures.mistake(_message(mistakes, _PURPOSE))
