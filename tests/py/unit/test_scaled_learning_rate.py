"""The linear scaling rule and gradual warmup, as numbers and as Keras objects."""

import keras
import numpy as np
import pytest

import tf_ddl.keras
from tf_ddl import errors

schedules = keras.optimizers.schedules


def _rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_the_paper_s_numbers():
    # 0.1 for 256 images, 8192 images, 5 epochs of 156 steps.
    schedule = tf_ddl.keras.scaled_learning_rate(0.1, 8192, 256, warmup_steps=780)
    rates = _rates(schedule, [0, 1, 390, 780, 781, 10**6])
    step = (3.2 - 0.1) / 780
    np.testing.assert_allclose(rates, [0.1, 0.1 + step, 1.65, 3.2, 3.2, 3.2], rtol=1e-5)
    differences = np.diff(_rates(schedule, range(100)))
    np.testing.assert_allclose(differences, step, rtol=1e-2)  # the same amount in each step


def test_without_warmup_it_is_a_number():
    rate = tf_ddl.keras.scaled_learning_rate(0.1, batch_size=1024)
    assert type(rate) is float and rate == pytest.approx(0.4)
    assert tf_ddl.keras.scaled_learning_rate(0.1, 128) == pytest.approx(0.05)


def test_a_number_becomes_a_schedule_that_keras_knows():
    schedule = tf_ddl.keras.scaled_learning_rate(0.1, 1024, 256, 10)
    config = keras.saving.serialize_keras_object(schedule)
    assert config["module"].startswith("keras.") and config["registered_name"] is None
    again = keras.saving.deserialize_keras_object(config)
    assert _rates(again, range(12)) == _rates(schedule, range(12))


@pytest.mark.parametrize("warmup", [0, 4])
def test_a_schedule_is_scaled_as_a_whole(warmup):
    base = schedules.PiecewiseConstantDecay([6, 8], [0.2, 0.02, 0.002])
    schedule = tf_ddl.keras.scaled_learning_rate(base, 96, 32, warmup)
    wanted = [
        rate * (3.0 if warmup == 0 else 1.0 + 2.0 * min(step / warmup, 1.0))
        for step, rate in enumerate(_rates(base, range(12)))
    ]
    np.testing.assert_allclose(_rates(schedule, range(12)), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "base", [0.1, schedules.CosineDecay(0.1, 20), schedules.ExponentialDecay(0.1, 5, 0.5)]
)
def test_it_survives_its_configuration(base):
    schedule = tf_ddl.keras.LinearScaling(base, 3.0, 4)
    steps = range(25)
    by_hand = tf_ddl.keras.LinearScaling.from_config(schedule.get_config())
    saved = keras.saving.serialize_keras_object(schedule)
    loaded = keras.saving.deserialize_keras_object(saved)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    copied = keras.optimizers.SGD.from_config(optimizer.get_config())._learning_rate
    for one in (by_hand, loaded, copied):
        assert isinstance(one, tf_ddl.keras.LinearScaling)
        assert _rates(one, steps) == _rates(schedule, steps)
    assert saved["registered_name"] == "tf_ddl>LinearScaling"


def test_scaling_twice_multiplies():
    once = tf_ddl.keras.LinearScaling(schedules.CosineDecay(0.1, 20), 3.0)
    twice = tf_ddl.keras.scaled_learning_rate(once, 2, 1)
    np.testing.assert_allclose(_rates(twice, [3])[0], 2 * _rates(once, [3])[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 must be a whole number of rows"),
        ({"batch_size": 12.5}, "batch_size=12.5"),
        ({"batch_size": True}, "batch_size=True"),
        ({"base_batch_size": -1}, "base_batch_size=-1"),
        ({"warmup_steps": -1}, "warmup_steps=-1 must be a whole number of steps"),
        ({"warmup_steps": 2.5}, "warmup_steps=2.5"),
        ({"base_learning_rate": 0.0}, "base_learning_rate=0.0 must be a number greater than 0 or"),
        ({"base_learning_rate": float("nan")}, "base_learning_rate=nan"),
        ({"base_learning_rate": "0.1"}, "base_learning_rate='0.1'"),
    ],
)
def test_nonsense_is_named(change, message):
    good = {"base_learning_rate": 0.1, "batch_size": 512, "base_batch_size": 256}
    with pytest.raises(errors.InvalidArgumentError, match=message):
        tf_ddl.keras.scaled_learning_rate(**{**good, **change})


def test_a_scale_that_makes_no_sense_is_named():
    with pytest.raises(errors.InvalidArgumentError, match="scale=0"):
        tf_ddl.keras.LinearScaling(0.1, 0)
