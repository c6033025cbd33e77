"""tf_ddl._tf.gradient_order: what waits for a gradient, and that nothing waits in vain."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_ddl._tf import gradient_order

WIDTH, ROWS = 4, 3


def weights(number):
    random = np.random.default_rng(number)
    return [tf.Variable(random.normal(size=[WIDTH, WIDTH])) for _ in range(number)]


def traced(compute, variables, early):
    """The function that computes gradients, with dependencies or without; and their number."""
    added = []

    @tf.function
    def function(x):
        with tf.GradientTape() as tape:
            loss = compute(x, variables)
        gradients = tape.gradient(loss, variables)
        if early:
            added.append(gradient_order.compute_early(gradients))
        return gradients

    concrete = function.get_concrete_function(tf.TensorSpec([ROWS, WIDTH], tf.float64))
    return concrete, sum(added)


def chain(x, variables):
    for weight in variables:
        x = tf.tanh(x @ weight)
    return tf.reduce_sum(x)


def shared(x, variables):
    for _ in range(2):
        x = x + chain_of(x, variables)
    return tf.reduce_sum(x)


def chain_of(x, variables):
    for weight in variables:
        x = tf.tanh(x @ weight)
    return x


def branches(x, variables):
    half = len(variables) // 2
    parts = [chain_of(x, variables[:half]), chain_of(x, variables[half:])]
    return tf.reduce_sum(tf.concat(parts, axis=1) ** 2)


def recomputed(x, variables):
    for weight in variables:
        x = tf.recompute_grad(lambda y, w=weight: tf.tanh(y @ w))(x)
    return tf.reduce_sum(x)


def looping(x, variables):
    for weight in variables:
        (x,) = tf.while_loop(lambda y: tf.norm(y) < 9, lambda y, w=weight: (2 * y @ w + 1,), (x,))
    return tf.reduce_sum(x)


def branching(x, variables):
    for weight in variables:
        x = tf.cond(tf.reduce_sum(x) > 0, lambda y=x, w=weight: tf.tanh(y @ w), lambda y=x: 2 * y)
    return tf.reduce_sum(x)


@tf.custom_gradient
def through_python(x, weight):
    def back(gradient):
        # Ops with a state: TensorFlow runs them in this order.
        for_x = tf.numpy_function(lambda g, w: g @ w.T, [gradient, weight], tf.float64)
        for_weight = tf.numpy_function(lambda g, y: y.T @ g, [gradient, x], tf.float64)
        for_x.set_shape(x.shape)
        for_weight.set_shape(weight.shape)
        return for_x, for_weight

    return x @ weight, back


def with_state(x, variables):
    for weight in variables:
        x = through_python(x, tf.convert_to_tensor(weight))
    return tf.reduce_sum(x**2)


@pytest.mark.parametrize(
    "compute",
    [chain, shared, branches, recomputed, looping, branching, with_state],
    ids=lambda compute: compute.__name__,
)
def test_gradients_are_the_same(compute):
    variables = weights(4)
    x = tf.constant(np.random.default_rng(0).normal(size=[ROWS, WIDTH]))
    expected, _ = traced(compute, variables, early=False)
    function, _ = traced(compute, variables, early=True)
    for got, wanted in zip(function(x), expected(x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def ancestors(op):
    found, pending = set(), [op]
    while pending:
        one = pending.pop()
        for before in [tensor.op for tensor in one.inputs] + list(one.control_inputs):
            if before not in found:
                found.add(before)
                pending.append(before)
    return found


def of_first_identity(tensor):
    """The op that computes an output of a function, which hands out identities."""
    op = tensor.op
    while op.type == "Identity":
        op = op.inputs[0].op
    return op


@pytest.mark.parametrize("early", [False, True])
def test_a_gradient_is_computed_before_what_earlier_layers_need(early):
    function, added = traced(chain, weights(4), early)
    gradients = [of_first_identity(output) for output in function.outputs]
    assert {op.type for op in gradients} == {"MatMul"} and len(set(gradients)) == 4
    for layer in range(3):
        assert (gradients[layer + 1] in ancestors(gradients[layer])) == early
    assert bool(added) == early


def test_ops_with_a_state_keep_their_order():
    # The dependency of for_x on for_weight would close a circle with that of for_weight on for_x.
    function, _ = traced(with_state, weights(3), early=True)
    python = [op for op in function.graph.get_operations() if op.type == "PyFunc"]
    assert len(python) == 6
    for earlier, later in itertools.pairwise(python):
        assert later not in ancestors(earlier)
    assert all(np.isfinite(one).all() for one in function(tf.ones([ROWS, WIDTH], tf.float64)))


def test_what_is_not_of_this_graph_is_left_alone():
    outside = tf.ones([2])

    @tf.function
    def function(x):
        assert gradient_order.compute_early([outside, None, x * 2]) == 0
        return x

    function(tf.ones([2]))
