"""What `Options.check_reductions` takes for a right sum, and what for a wrong one."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tf_ddl.checks import reductions

RANKS = 5


def _wrong(terms, result, reduce_op="sum", compression=""):
    """(number of wrong elements, index of the first)."""
    engine = types.SimpleNamespace(size=len(terms), compression=compression)
    verdict = reductions._verdict(engine, tf.stack(terms), tf.convert_to_tensor(result), reduce_op)
    return int(verdict[0]), int(verdict[1])


def _terms(dtype, elements=2000):
    values = np.random.default_rng(1).normal(size=[RANKS, elements])
    return tf.unstack(tf.cast(values, dtype))


@pytest.mark.parametrize("dtype", [tf.float64, tf.float32, tf.float16, tf.bfloat16])
@pytest.mark.parametrize("reduce_op", ["sum", "mean"])
def test_other_orders_of_adding_pass_and_small_errors_do_not(dtype, reduce_op):
    terms = _terms(dtype)
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1]):
        result = terms[order[0]]
        for rank in order[1:]:
            result = result + terms[rank]  # rounds to the dtype each time
        if reduce_op == "mean":
            result = result / tf.cast(RANKS, dtype)
        assert _wrong(terms, result, reduce_op) == (0, 0)
    magnitude = sum(abs(float(term[7])) for term in terms) / (RANKS if reduce_op == "mean" else 1)
    far = 2 * (RANKS + 2) * reductions._EPSILON[dtype] * magnitude
    spoilt = tf.tensor_scatter_nd_add(result, [[7]], tf.cast([far], dtype))
    assert _wrong(terms, spoilt, reduce_op) == (1, 7)


def test_a_term_that_is_missing_or_counted_twice_is_found_in_every_element():
    terms = _terms(tf.float32)
    assert _wrong(terms, sum(terms[1:]))[0] == 2000
    assert _wrong(terms, sum(terms) + terms[0])[0] == 2000
    assert _wrong(terms, sum(terms), "mean")[0] == 2000


@pytest.mark.parametrize(("compression", "wire"), [("bf16", tf.bfloat16), ("fp16", tf.float16)])
def test_compression_allows_what_the_wire_rounds(compression, wire):
    terms = _terms(tf.float32)
    rounded = sum(tf.cast(tf.cast(term, wire), tf.float32) for term in terms)
    assert _wrong(terms, rounded, compression=compression) == (0, 0)
    assert _wrong(terms, rounded)[0] > 500
    assert _wrong(terms, rounded * 2.0, compression=compression)[0] > 1000


def test_whole_numbers_must_be_equal():
    terms = [tf.constant([7, -7]), tf.constant([1, 0])]
    assert _wrong(terms, [8, -7]) == (0, 0)
    assert _wrong(terms, [8, -6]) == (1, 1)
    assert _wrong(terms, [4, -3], "mean") == (0, 0)  # towards zero, as the core does


def test_what_is_not_finite():
    nan, inf = np.nan, np.inf
    terms = [tf.constant([nan, inf, 1.0, inf]), tf.constant([1.0, 1.0, 1.0, -inf])]
    assert _wrong(terms, [nan, inf, 2.0, nan]) == (0, 0)
    assert _wrong(terms, [0.0, inf, 2.0, nan]) == (1, 0)
    assert _wrong(terms, [nan, inf, nan, nan]) == (1, 2)
    large = [tf.constant([6e4], tf.float16)] * 2
    assert _wrong(large, tf.constant([inf], tf.float16)) == (0, 0)  # float16 ends at 65504
    assert _wrong(large, tf.constant([inf], tf.float16), "mean") == (0, 0)


@pytest.mark.parametrize("shape", [[0], [0, 3]])
def test_tensors_without_elements(shape):
    flat = [tf.reshape(tf.zeros(shape), [-1])] * 2
    assert _wrong(flat, flat[0]) == (0, 0)
