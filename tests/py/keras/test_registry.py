"""The adapters of Keras and TensorFlow: whole, undone, and nothing outside of a DDLStrategy."""

from __future__ import annotations

import collections
import inspect

import numpy as np
import pytest
from harness import run_workers

#: Wrapped twice, and by which modules, in the order of `registry`'s docstring.
TWICE = {
    "keras.src.trainers.trainer.Trainer._symbolic_build": ["trainer", "checks"],
    "keras.src.trainers.trainer.Trainer.compile": ["trainer", "checks"],
}


@pytest.mark.parametrize("version", [(3, 10), (3, 15), (3, 16)])
def test_which_functions_have_two_adapters(version):
    from tf_ddl._keras import registry

    modules = collections.defaultdict(list)
    for one in registry.adapters():
        if one.since <= version < one.before:
            where = str(one).replace("BaseTrainer", "Trainer")  # as it is called from 3.16 on
            modules[where].append(one.wrapper.__module__.rpartition(".")[2])
    assert len(modules) > 50
    assert {where: whose for where, whose in modules.items() if len(whose) > 1} == TWICE


def there_and_gone():
    import inspect

    import keras

    import tf_ddl
    from tf_ddl._base.adapter import Adapter, _find
    from tf_ddl._keras import checks, registry
    from tf_ddl._tf import adapters as tensorflow_adapters
    from tf_ddl.errors import BuildError

    version = tuple(map(int, keras.__version__.split(".")[:2]))
    every = [*registry.adapters(), *tensorflow_adapters.ADAPTERS]
    places = [_find(one) for one in every if one.since <= version < one.before]

    def now():
        return [inspect.getattr_static(place.owner, place.name) for place in places]

    before = now()
    right = checks.ADAPTERS
    checks.ADAPTERS = (*right, Adapter("keras.src.losses.loss", "gone", print))
    try:
        tf_ddl.DDLStrategy()
        raise AssertionError("a function that is not there was wrapped")
    except BuildError as error:
        assert "has no keras.src.losses.loss.gone" in str(error), error
        assert f"Keras {keras.__version__}" in str(error) and "pip install" in str(error), error
    assert now() == before
    checks.ADAPTERS = right
    tf_ddl.DDLStrategy()
    assert all(one is not other for one, other in zip(now(), before))
    registry.undo_all()
    assert now() == before
    tf_ddl.DDLStrategy()
    assert all(one is not other for one, other in zip(now(), before))


def test_all_or_none_and_undone():
    run_workers(there_and_gone, 2, timeout=120)


def watch():
    """Has every adapter looked at: outside of our strategies it passes on what it is given."""
    import collections
    import inspect

    from tf_ddl._base import adapter as adapters
    from tf_ddl._keras import registry
    from tf_ddl._tf import adapters as tensorflow_adapters

    seen = collections.Counter()
    wrapped = adapters._wrapped
    # A checkpoint, a function or an error of TensorFlow's does not say whose it is.
    process_wide = {str(one) for one in tensorflow_adapters.ADAPTERS}
    names = {id(one.wrapper): str(one) for one in registry.adapters()}
    names |= {id(one.wrapper): str(one) for one in tensorflow_adapters.ADAPTERS}

    def watched(wrapper, original):
        signature = inspect.signature(original)

        def arguments(args, kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return [*bound.args, *sorted(bound.kwargs.items())]

        def watching(_, *args, **kwargs):
            calls, results = [], []

            def passed_on(*args, **kwargs):
                calls.append(arguments(args, kwargs))
                results.append(original(*args, **kwargs))
                return results[-1]

            result = wrapper(passed_on, *args, **kwargs)
            name, given = names[id(wrapper)], arguments(args, kwargs)
            if name not in process_wide:
                assert len(calls) == 1, (name, calls)
                same = [a is b or repr(a) == repr(b) for a, b in zip(calls[0], given)]
                assert all(same) and len(calls[0]) == len(given), (name, calls, given)
                assert result is results[0], name
            seen[name] += 1
            return result

        return wrapped(watching, original)

    adapters._wrapped = watched
    return seen, set(names.values())


def program(out):
    """Trains, evaluates, predicts and saves under a strategy of TensorFlow's own."""
    import os
    import tempfile

    import keras
    import numpy as np
    import tensorflow as tf

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return x[:4], y[:4]

    class Own(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                error = tf.square(tf.squeeze(self(x, training=True)) - y)
                loss = tf.nn.compute_average_loss(error, global_batch_size=8)
                loss += tf.nn.scale_regularization_loss(tf.reduce_sum(self.losses))
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables, None, "zero")  # all by their places
            self.optimizer.apply_gradients(zip(gradients, variables))
            return {"mine": loss}

    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    y = x.sum(axis=1)
    os.chdir(tempfile.mkdtemp())
    keras.utils.set_random_seed(3)
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(4, kernel_regularizer="l2")(inputs)
        hidden = keras.layers.BatchNormalization(synchronized=True)(hidden)
        hidden = keras.layers.Dropout(0.2)(hidden)
        masked = keras.layers.Masking()(keras.layers.Reshape((2, 2))(hidden))
        masked = keras.layers.LSTM(2, return_sequences=True)(masked)
        masked = keras.layers.BatchNormalization()(masked)
        output = keras.layers.Dense(1)(keras.layers.Flatten()(masked))
        model = Own(inputs, output)
        model.compile(keras.optimizers.SGD(0.1, clipnorm=1.0), "mse", metrics=["mae"])
        model.fit(x, y, batch_size=8, epochs=1, verbose=0)
        model.fit(Data(), verbose=0, shuffle=True)
        plain = keras.Model(inputs, [masked, output])
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(clipnorm=1.0))
        plain.compile(scaled, "mse", jit_compile=False)
        sequence = np.zeros((16, 2, 2), "float32")
        saving = [
            keras.callbacks.ModelCheckpoint("best.keras"),
            keras.callbacks.BackupAndRestore("backup"),
        ]
        plain.fit(x, [sequence, y], epochs=2, verbose=0, callbacks=saving, validation_split=0.5)
        plain.train_on_batch(x, [sequence, y])
        plain.test_on_batch(x, [sequence, y])
        plain.predict_on_batch(x)
        predicted = plain.predict(x, verbose=0)
        plain.save("model.h5")
        plain.save_weights("sharded.weights.json", max_shard_size=1)
        plain.export("exported", verbose=False)
        keras.callbacks.CallbackList([], False, False, plain).on_epoch_begin(0)
    kept = [*predicted, *model.get_weights(), *plain.get_weights()]
    np.savez(out, *(np.asarray(one) for one in kept))


def in_a_job(out):
    import os

    import tf_ddl

    seen, known = watch()
    tf_ddl.DDLStrategy()
    program(f"{out}/{os.environ['DDL_RANK']}.npz")
    unseen = {one for one in known if one not in seen and "CallbackList.on_" not in one}
    # No error was made, and that strategy has its gradients scaled in a merge call.
    unseen = {one.rpartition(".")[2] for one in unseen}
    assert unseen == {"_common_apply", "_status_to_exception"}, unseen


def test_nothing_happens_outside_of_a_strategy_of_ours(tmp_path):
    sources = "\n\n".join(map(inspect.getsource, (watch, program, in_a_job)))
    run_workers(f"{sources}\n\nin_a_job({str(tmp_path)!r})\n", 2, timeout=240)
    run_workers(program, 1, args=(f"{tmp_path}/alone.npz",), timeout=120)
    alone = np.load(tmp_path / "alone.npz")
    for rank in range(2):
        here = np.load(tmp_path / f"{rank}.npz")
        assert here.files == alone.files
        for name in here.files:
            np.testing.assert_array_equal(here[name], alone[name])
