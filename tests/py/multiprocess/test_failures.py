"""Errors can be caught as tf_ddl's and as TensorFlow's, before a step and in a graph alike."""

from __future__ import annotations

from harness import run_workers


def mistakes():
    import pickle

    import tensorflow as tf

    import tf_ddl
    from tf_ddl import errors

    strategy = tf_ddl.DDLStrategy(tf_ddl.Options(check_first_step=False, check_replicas_every=1))

    def caught(call, text):
        for kind in (errors.InvalidArgumentError, tf.errors.InvalidArgumentError):
            try:
                call()
            except kind as error:
                assert text in str(error), error
                assert type(error).__module__ == "tf_ddl.errors"
                assert isinstance(error, errors.InvalidArgumentError), type(error)
                assert isinstance(error, tf.errors.InvalidArgumentError), type(error)
                again = pickle.loads(pickle.dumps(error))
                assert type(again) is type(error) and str(again) == str(error)
            else:
                raise AssertionError(f"no error with {text!r}")

    # Before a step, by Python.
    wrong = tf.data.Dataset.range(8 + strategy.rank).batch(1)
    caught(lambda: strategy.experimental_distribute_dataset(wrong), "9 batches")
    outside = tf.Variable(float(strategy.rank))
    caught(lambda: strategy.check([outside]), "weights differ")

    # In a step, run eagerly and as a graph.
    def differs():
        with strategy.scope():
            one = tf.Variable(0.0)
        return lambda: strategy.run(lambda: one.assign(float(strategy.rank)))

    for way in (lambda function: function, tf.function):
        caught(lambda way=way: way(differs())(), "drifted apart")

    # While a dataset is iterated.
    unequal = tf.data.Dataset.from_generator(
        lambda: iter(range(2 + strategy.rank)),
        output_signature=tf.TensorSpec([], tf.int32),
    ).batch(1)
    caught(lambda: list(strategy.experimental_distribute_dataset(unequal)), "has ended after 2")

    # What is not ours stays as it is.
    @tf.function
    def of_the_user():
        tf.debugging.Assert(tf.constant(False), ["the user's own"])

    try:
        of_the_user()
    except tf.errors.InvalidArgumentError as error:
        assert not isinstance(error, errors.DDLError)
    else:
        raise AssertionError


def lost(in_a_graph):
    import os
    import sys

    import tensorflow as tf

    import tf_ddl
    from tf_ddl import errors

    strategy = tf_ddl.DDLStrategy()

    def add(x):
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce("SUM", x)

    def call():
        return strategy.run(add, args=(tf.constant(1.0),))

    call = tf.function(call) if in_a_graph else call
    assert float(call()) == 2.0
    if strategy.rank == 1:
        sys.stdout.flush()
        os._exit(0)
    try:
        call()
    except errors.PeerLostError as error:
        assert isinstance(error, tf.errors.UnavailableError), type(error)
        assert "rank 1" in str(error), error
    else:
        raise AssertionError


def test_mistakes():
    run_workers(mistakes, 2, timeout=120)


def test_a_lost_rank_in_a_graph():
    run_workers(lost, 2, args=(True,), timeout=60)


def test_a_lost_rank_eagerly():
    run_workers(lost, 2, args=(False,), timeout=60)
