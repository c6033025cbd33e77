"""`Options.check_reductions`: every all-reduce beside a simpler one, and where a NaN comes from.

Each tensor that was reduced is gathered from all ranks as well, and added up again in float64. A
sum of p terms in another order may differ from that by rounding, for each element at most

    (p + 1) eps (|x_1| + ... + |x_p|)

where eps is the distance between 1 and the next number of the dtype (of the format on the wire,
with compression); see Higham, Accuracy and Stability of Numerical Algorithms, section 4.2. Whole
numbers must be equal.

What a rank finds it tells the others before anybody acts on it, so that all fail with the same
message, and none waits for one that has failed. Results are held back until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_ddl._base.words import SHOWN
from tf_ddl._native.engine import Engine
from tf_ddl._tf import failures, ops
from tf_ddl._tf.private_api import tf
from tf_ddl._tf.program_order import in_program_order

__all__ = ["checked", "checked_rows", "tolerance"]

_EPSILON = {tf.float64: 2.0**-52, tf.float32: 2.0**-23, tf.float16: 2.0**-10, tf.bfloat16: 2.0**-7}
#: Half the distance between the smallest numbers, where rounding does not get finer.
_SMALLEST = {tf.float64: 0.0, tf.float32: 2.0**-149, tf.float16: 2.0**-25, tf.bfloat16: 2.0**-133}
_WIRE = {"bf16": tf.bfloat16, "fp16": tf.float16}


def tolerance(dtype: tf.DType, compression: str, ranks: int) -> tuple[float, float, float]:
    """How far a reduced floating-point number may be from the reference.

    Args:
      dtype: of the tensor.
      compression: `Options.compression`.
      ranks: p.

    Returns:
      The part per sum of magnitudes, the part that is always allowed, and the sum of magnitudes
      from which on the result may overflow.
    """
    wire = _WIRE.get(compression, dtype) if dtype == tf.float32 else dtype
    return (ranks + 1) * _EPSILON[wire], (ranks + 1) * _SMALLEST[wire], float(wire.max)


def checked(
    engine: Engine,
    tensors: Sequence[tf.Tensor],
    results: Sequence[tf.Tensor],
    reduce_op: str,
    names: Sequence[str],
    contributes: Any = True,
    must_be_finite: bool = False,
) -> list[tf.Tensor]:
    """`results`, if they are what `tensors` come to.

    Args:
      engine: the job.
      tensors: this rank's, of dtypes in `_tf.ops.REDUCIBLE`.
      results: what the all-reduce made of them.
      reduce_op: "sum" or "mean".
      names: one per tensor, for messages.
      contributes: whether this rank's tensors count; see `_tf.ops.all_reduce`.
      must_be_finite: whether NaN and infinity in `tensors` are mistakes.

    Raises:
      tf.errors.InvalidArgumentError: in eager mode, and when the graph is executed; on all ranks.
    """
    counts, verdicts = [], []
    for name, tensor, result in zip(names, tensors, results):
        row = tf.reshape(tensor, [1, -1])
        row = tf.where(contributes, row, tf.zeros_like(row))
        everybodys, _ = ops.all_gather(engine, row, name=f"reference of {name}")
        counts.append(_not_finite(everybodys))
        verdicts.append(_verdict(engine, everybodys, tf.reshape(result, [-1]), reduce_op))
    mine = tf.stack(verdicts)[tf.newaxis]
    everybodys, _ = ops.all_gather(engine, mine, name="verdicts on reductions")
    everybodys = tf.reshape(everybodys, [engine.size, len(names), 4])
    with in_program_order(engine):
        checks = [_assert_equal(everybodys, names, reduce_op)]
        if must_be_finite:
            checks.insert(0, _assert_finite(tf.stack(counts), names))
    return _after(checks, results)


def checked_rows(engine: Engine, values: tf.Tensor, rows: tf.Tensor, name: str) -> tf.Tensor:
    """The gathered rows of a sparse gradient, if they are finite; `rows` of them from each rank."""
    if not values.dtype.is_floating:
        return values
    owner = tf.repeat(tf.range(engine.size, dtype=tf.int64), rows)
    flat = tf.reshape(values, [tf.size(owner), -1])
    kinds = [tf.math.is_nan(flat), tf.math.is_inf(flat)]
    counts = tf.stack([tf.reduce_sum(tf.cast(kind, tf.int64), axis=1) for kind in kinds], axis=1)
    by_rank = tf.math.unsorted_segment_sum(counts, owner, engine.size)
    with in_program_order(engine):
        check = _assert_finite(by_rank[tf.newaxis], [name])
    (values,) = _after([check], [values])
    return values


def _not_finite(everybodys: tf.Tensor) -> tf.Tensor:
    """int64 [ranks, 2]: how many of each rank's elements are NaN, and how many infinite."""
    if not everybodys.dtype.is_floating:
        return tf.zeros([tf.shape(everybodys)[0], 2], tf.int64)
    kinds = [tf.math.is_nan(everybodys), tf.math.is_inf(everybodys)]
    return tf.stack([tf.reduce_sum(tf.cast(kind, tf.int64), axis=1) for kind in kinds], axis=1)


def _verdict(engine: Engine, everybodys: tf.Tensor, result: tf.Tensor, reduce_op: str) -> tf.Tensor:
    """float64 [4]: how many elements are wrong, the first one's index, it, what it should be."""
    if everybodys.dtype.is_floating:
        wanted, wrong = _judge_floating(engine, everybodys, result, reduce_op)
    else:
        wanted = tf.reduce_sum(everybodys, axis=0)
        if reduce_op == "mean":
            wanted = tf.truncatediv(wanted, tf.cast(engine.size, wanted.dtype))
        wrong = tf.not_equal(wanted, result)
    first = tf.concat([tf.where(wrong)[:, 0], [0]], axis=0)[0]

    def at_first(value: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.cast(value, tf.float64), [0.0]], axis=0)[first]

    count = tf.reduce_sum(tf.cast(wrong, tf.float64))
    return tf.stack([count, tf.cast(first, tf.float64), at_first(result), at_first(wanted)])


def _judge_floating(
    engine: Engine, everybodys: tf.Tensor, result: tf.Tensor, reduce_op: str
) -> tuple[tf.Tensor, tf.Tensor]:
    relative, absolute, overflow = tolerance(result.dtype, engine.compression, engine.size)
    terms = tf.cast(everybodys, tf.float64)
    wanted, magnitude = tf.reduce_sum(terms, axis=0), tf.reduce_sum(tf.abs(terms), axis=0)
    may_overflow = magnitude > overflow
    if reduce_op == "mean":
        wanted, magnitude = wanted / engine.size, magnitude / engine.size
    got = tf.cast(result, tf.float64)
    finite = tf.math.is_finite(got)
    too_far = tf.abs(got - wanted) > relative * magnitude + absolute
    wrong = tf.where(
        tf.math.is_finite(wanted), tf.where(finite, too_far, tf.logical_not(may_overflow)), finite
    )
    return wanted, wrong


# --- saying so ------------------------------------------------------------------------------------
# Without quotation marks, which TensorFlow would escape.


def _some(parts: Sequence[tf.Tensor | str], number: tf.Tensor) -> tf.Tensor:
    """The first few of `number` texts, joined from `parts`."""
    texts = tf.strings.join(parts)[:SHOWN]
    more = tf.strings.join(["; and ", tf.strings.as_string(number - SHOWN), " more"])
    listed = tf.strings.reduce_join(texts, separator="; ")
    return tf.where(number > SHOWN, tf.strings.join([listed, more]), listed)


def _assert_finite(counts: tf.Tensor, names: Sequence[str]) -> Any:
    """Of int64 [tensors, ranks, 2]."""
    bad = tf.where(tf.reduce_any(counts > 0, axis=2))
    nan, inf = tf.unstack(tf.gather_nd(counts, bad), axis=1)
    parts = [
        tf.gather(tf.constant(list(names)), bad[:, 0]),
        " has ",
        tf.strings.as_string(nan),
        " NaN and ",
        tf.strings.as_string(inf),
        " infinite values on rank ",
        tf.strings.as_string(bad[:, 1]),
    ]
    message = tf.strings.join(
        [
            "gradients are not finite before they are reduced: ",
            _some(parts, tf.shape(bad)[0]),
            ". The variables have not been updated with them. Look at that rank's batch and loss; "
            "tf.debugging.enable_check_numerics() names the operation",
        ]
    )
    return failures.check(tf.equal(tf.shape(bad)[0], 0), message)


def _assert_equal(verdicts: tf.Tensor, names: Sequence[str], reduce_op: str) -> Any:
    """Of float64 [ranks, tensors, 4]."""
    bad = tf.where(verdicts[:, :, 0] > 0)
    number, index, got, wanted = tf.unstack(tf.gather_nd(verdicts, bad), axis=1)
    parts = [
        tf.gather(tf.constant(list(names)), bad[:, 1]),
        " on rank ",
        tf.strings.as_string(bad[:, 0]),
        ": ",
        tf.strings.as_string(tf.cast(number, tf.int64)),
        " elements, the first one number ",
        tf.strings.as_string(tf.cast(index, tf.int64)),
        f": the {reduce_op} came to ",
        tf.strings.as_string(got, precision=9, shortest=True),
        ", a simple one to ",
        tf.strings.as_string(wanted, precision=9, shortest=True),
    ]
    message = tf.strings.join(
        [
            "an all-reduce came out wrong: ",
            _some(parts, tf.shape(bad)[0]),
            ". Check the memory and the network of that rank's host; if it happens again with "
            "DDL_PLAN=direct DDL_AUTOTUNE=0, please report it with strategy.explain()",
        ]
    )
    return failures.check(tf.equal(tf.shape(bad)[0], 0), message)


def _after(checks: Sequence[Any], results: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """`results`, once the checks have passed."""
    if tf.executing_eagerly():
        return list(results)
    with tf.control_dependencies([check for check in checks if check is not None]):
        return [tf.identity(result) for result in results]
