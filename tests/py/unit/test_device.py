"""Which GPU a process takes.

There are none here: TensorFlow's lists of devices are made up, and what is done to them is noted.
(What a real one does: tests/py/gpu.)
"""

import pytest

tf = pytest.importorskip("tensorflow")

from tf_ddl import errors, options  # noqa: E402
from tf_ddl._tf import private_api  # noqa: E402
from tf_ddl.launcher.identity import Identity  # noqa: E402
from tf_ddl.replica.device import Device, choose_device  # noqa: E402


class FakeGpus:
    """The part of tf.config that is used, with `count` GPUs."""

    def __init__(self, monkeypatch, count, first=0):
        kind = type("PhysicalDevice", (), {})
        self.devices = []
        for i in range(first, first + count):
            gpu = kind()
            gpu.name = f"/physical_device:GPU:{i}"
            self.devices.append(gpu)
        self.visible = list(self.devices)
        self.growing = []
        self.initialised = False
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(self.visible))
        monkeypatch.setattr(tf.config, "set_visible_devices", self._set_visible)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", self._grow)

    def _set_visible(self, devices, kind):
        assert kind == "GPU"
        if self.initialised:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = list(devices)

    def _grow(self, device, enable):
        assert enable
        self.growing.append(device)


def here(local_rank, local_size):
    return Identity(rank=8 + local_rank, size=16, local_rank=local_rank, local_size=local_size)


def choose(place, environ=None, **changes):
    return choose_device(place, options.Options(**changes), environ or {})


def test_without_a_gpu_it_is_the_cpu(monkeypatch):
    FakeGpus(monkeypatch, 0)
    device = choose(here(0, 2))
    assert device.name.endswith("CPU:0") and device.ordinal == -1


def test_nccl_without_a_gpu_is_an_error(monkeypatch):
    FakeGpus(monkeypatch, 0)
    with pytest.raises(errors.InvalidArgumentError, match=r"no GPU on rank 9 \(local rank 1\)"):
        choose(here(1, 2), gpu_reduction="nccl")


@pytest.mark.parametrize("local_rank", range(4))
def test_each_rank_takes_its_own_and_shows_tensorflow_no_other(monkeypatch, local_rank):
    gpus = FakeGpus(monkeypatch, 4)
    device = choose(here(local_rank, 4))
    assert device.name.endswith("GPU:0") and device.ordinal == local_rank
    assert gpus.visible == gpus.growing == [gpus.devices[local_rank]]


def test_gpus_that_the_program_has_hidden_stay_hidden(monkeypatch):
    gpus = FakeGpus(monkeypatch, 4)
    gpus.visible = gpus.devices[2:]
    assert choose(here(1, 2)).ordinal == 3


def test_a_single_process_takes_the_first(monkeypatch):
    FakeGpus(monkeypatch, 4)
    assert choose(Identity()).ordinal == 0


def test_more_ranks_than_gpus_are_refused(monkeypatch):
    gpus = FakeGpus(monkeypatch, 2)
    with pytest.raises(
        errors.InvalidArgumentError, match=r"3 ranks on this host, but only 2 GPUs .*rank 8"
    ):
        choose(here(0, 3))
    assert gpus.visible == gpus.devices


def test_unless_they_may_share(monkeypatch):
    for local_rank, expected in enumerate((0, 1, 0)):
        FakeGpus(monkeypatch, 2)
        assert choose(here(local_rank, 3), share_gpus=True).ordinal == expected


def test_a_launcher_that_shows_each_process_its_own_is_trusted(monkeypatch):
    FakeGpus(monkeypatch, 1)
    assert choose(here(3, 4), {"CUDA_VISIBLE_DEVICES": "3"}).ordinal == 0
    # ddlrun gives all its workers the same variable.
    with pytest.raises(errors.InvalidArgumentError, match="only 1 GPU "):
        choose(here(3, 4), {"CUDA_VISIBLE_DEVICES": "3", "DDL_STORE": "launcher"})


def test_when_tensorflow_has_taken_all_gpus_already_its_own_is_used(monkeypatch):
    gpus = FakeGpus(monkeypatch, 4)
    gpus.initialised = True
    monkeypatch.setattr(private_api, "resolve_device", lambda name: name)
    assert choose(here(2, 4)) == Device("/device:GPU:2", 2)


@pytest.fixture
def physical(monkeypatch):
    """Three GPUs in TensorFlow's own lists, whose functions are then the real ones."""
    from tensorflow.python.eager import context

    here = context.context()
    here._initialize_physical_devices()
    gpus = [context.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(3)]
    cpus = tf.config.list_physical_devices("CPU")
    monkeypatch.setattr(here, "_context_handle", None)
    monkeypatch.setattr(here, "_physical_devices", [*cpus, *gpus])
    monkeypatch.setattr(here, "_visible_device_list", [*cpus, *gpus])
    monkeypatch.setattr(here, "_memory_growth_map", {})
    monkeypatch.setattr(here, "_virtual_device_map", {})
    monkeypatch.setattr(private_api, "resolve_device", lambda name: name)
    return gpus


def test_tensorflow_itself_then_has_one_gpu_whose_memory_grows(physical):
    assert choose(here(1, 3)) == Device("/device:GPU:0", 1)
    assert tf.config.get_visible_devices("GPU") == [physical[1]]
    assert tf.config.experimental.get_memory_growth(physical[1])


def test_a_limit_of_the_programs_own_stays(physical):
    limit = [tf.config.LogicalDeviceConfiguration(memory_limit=1024)]
    tf.config.set_logical_device_configuration(physical[2], limit)
    assert choose(here(2, 3)).ordinal == 2
    assert tf.config.get_visible_devices("GPU") == [physical[2]]
    assert tf.config.get_logical_device_configuration(physical[2]) == limit


def test_logical_devices_of_tensorflow_are_configured_before_they_exist():
    """The real tf.config accepts what is asked of it, as far as that goes without a GPU."""
    device = choose(here(0, 1))
    if not tf.config.list_physical_devices("GPU"):
        assert device.ordinal == -1
        assert [d.name for d in tf.config.list_logical_devices()] == ["/device:CPU:0"]
