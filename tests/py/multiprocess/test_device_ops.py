"""Gradients that stay in GPU memory, from TensorFlow through NCCL and back, without a GPU.

Everything is real but for two ends: NCCL and the driver are test libraries over host memory, and
the ops have kernels for the CPU (fake_gpu.py). The ranks are threads of one process, with an engine
each, where the test libraries watch how NCCL is called; test_gpu_job.py has processes.
"""

import json

import pytest
from harness import free_port, run_workers


def two_ranks(kernels, nccl, cuda, port):
    import ctypes
    import json
    import threading

    import numpy as np
    import tensorflow as tf

    from tf_ddl import options
    from tf_ddl._native.engine import Engine
    from tf_ddl._native.gpu import Gpu
    from tf_ddl._tf import ops
    from tf_ddl.launcher.identity import Identity

    ops.load()
    tf.load_library(kernels)
    # There is no GPU: what would be in its memory is told by dtype alone.
    ops._is_in_gpu_memory = lambda engine, tensor: tensor.dtype in ops._IN_GPU_MEMORY
    settings = options.Options(
        gpu_reduction="nccl",
        nccl_library=nccl,
        cuda_library=cuda,
        bucket_bytes=65536,
        first_bucket_bytes=4096,
    )
    engines = {}
    results = {}
    ops._engine_of = lambda op: next(
        e for e in engines.values() if e.handle == op.get_attr("engine")
    )
    failed = []

    def on_both(body):
        def guarded(rank):
            try:
                body(rank)
            except BaseException as error:  # the other rank must not wait for a thread that ended
                failed.append(error)
                if rank in engines:
                    engines[rank].abort(f"the test raised {error!r}")

        threads = [threading.Thread(target=guarded, args=(rank,)) for rank in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def join(rank):
        here = Identity(
            rank=rank,
            size=2,
            local_rank=rank,
            local_size=2,
            rendezvous=f"127.0.0.1:{port}",
            secret="secret",
            host_store=rank == 0,
        )
        gpu = Gpu(rank, settings)
        engines[rank] = Engine.create(here, settings, gpu=gpu)
        engines[rank].record_timeline(True)

    on_both(join)
    results["used"] = [engines[rank].reduces_gpu_memory for rank in range(2)]
    results["description"] = engines[0].gpu.description
    results["stats"] = engines[1].stats()["device"]

    def in_a_graph(rank):
        engine = engines[rank]

        @tf.function
        def step(x):
            tensors = [x, x * tf.range(5000.0), tf.cast(x, tf.float16), tf.constant(3, tf.int64)]
            return ops.all_reduce(engine, [*tensors, tf.cast(x, tf.bfloat16)], "sum")

        for call in range(3):
            a, b, c, d, e = step(tf.constant(rank + 1.0 + call))
            expected = 3.0 + 2 * call
            assert a.numpy() == expected
            np.testing.assert_array_equal(b.numpy(), expected * np.arange(5000.0))
            assert float(c) == expected and float(e) == expected
            assert c.dtype == tf.float16 and e.dtype == tf.bfloat16 and d.numpy() == 6
        types = [
            op.type for op in step.get_concrete_function(tf.constant(0.0)).graph.get_operations()
        ]
        results.setdefault("ops", {})[rank] = [
            types.count("DdlDeviceAllReduce"),
            types.count("DdlAllReduce"),
        ]

    on_both(in_a_graph)
    plans = {b["plan"] for c in engines[0].timeline() for b in c["buckets"]}
    results["plans"] = sorted(plans)

    def eagerly(rank):
        tensors = [tf.fill([3], rank + 1.0), tf.zeros([0, 2]), tf.constant(7)]
        for _ in range(2):
            a, b, c = ops.all_reduce(engines[rank], tensors, "mean")
            np.testing.assert_array_equal(a.numpy(), [1.5, 1.5, 1.5])
            assert b.shape == (0, 2) and c.numpy() == 7
        np.testing.assert_array_equal(tensors[0].numpy(), np.full(3, rank + 1.0)), "input kept"

    on_both(eagerly)
    results["eager"] = "good"

    def without_rows(rank):
        nan = tf.constant([float("nan"), float("nan")])

        @tf.function
        def step(x, contributes):
            return ops.all_reduce(engines[rank], [x * 2.0], "sum", contributes=contributes)[0]

        x = nan if rank == 1 else tf.constant([1.0, 2.0])
        np.testing.assert_array_equal(step(x, tf.constant(rank == 0)).numpy(), [2.0, 4.0])

    on_both(without_rows)
    results["zeros"] = "good"

    def differentiated(rank):
        @tf.function
        def step(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = ops.all_reduce(engines[rank], [x], "sum")[0] * (rank + 1.0)
            return tape.gradient(y, x)

        assert step(tf.constant(2.0)).numpy() == 3.0

    on_both(differentiated)
    results["gradient"] = "good"

    def many_steps(rank):
        @tf.function
        def step(x):
            parts = [x * float(i) for i in range(24)]
            return tf.add_n(ops.all_reduce(engines[rank], parts, "sum"))

        x = tf.fill([4000], rank + 1.0)
        for _ in range(40):  # several epochs, in which plans and buckets are tried
            np.testing.assert_array_equal(step(x).numpy(), np.full(4000, 3.0 * 276))

    on_both(many_steps)
    results["steps"] = "good"
    fake = ctypes.CDLL(cuda)
    fake.fake_misuse.restype = ctypes.c_char_p
    results["misuse"] = fake.fake_misuse().decode()

    def lost(rank):
        if rank == 1:
            engines[1].abort("the program raised KeyError: 'gone'")
            return
        try:
            ops.all_reduce(engines[0], [tf.zeros([10])], "sum")
        except tf.errors.UnavailableError as error:
            results["lost"] = str(error)

    on_both(lost)
    for engine in engines.values():
        engine.shutdown()
    print(json.dumps(results))


@pytest.fixture(scope="module")
def seen(cpu_kernels, fake_libraries):
    args = [cpu_kernels, *fake_libraries, free_port()]
    (result,) = run_workers(two_ranks, 1, args=args, timeout=180)
    return json.loads(result.stdout.splitlines()[-1])


pytestmark = pytest.mark.timeout(420)


def test_the_ranks_agree_on_nccl(seen):
    assert seen["used"] == [True, True]
    assert "NCCL 2.30" in seen["description"]
    assert "NCCL 2.30" in seen["stats"]


def test_floats_stay_in_gpu_memory_and_integers_go_by_the_host(seen):
    assert seen["ops"] == {"0": [4, 1], "1": [4, 1]}
    assert any(plan.startswith("gpu ") for plan in seen["plans"])
    assert any(not plan.startswith("gpu ") for plan in seen["plans"])


@pytest.mark.parametrize("what", ["eager", "zeros", "gradient", "steps"])
def test_results(seen, what):
    assert seen[what] == "good"


def test_nccl_was_called_as_it_wants_to_be(seen):
    assert seen["misuse"] == ""


def test_another_ranks_failure_is_told(seen):
    assert "KeyError: 'gone'" in seen["lost"] and "rank 1" in seen["lost"]
