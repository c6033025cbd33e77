"""`tf_ddl.collective` between real processes, over every transport."""

import pytest
from harness import run_workers

TRANSPORTS = {
    "default": {},
    "shared memory": {"DDL_CMA": "0"},
    "tcp": {"DDL_SHM": "0", "DDL_CMA": "0"},
}
SIZES = [0, 1, 3, 1023, 65_537, (1 << 20) + 1]


def reduce_everything(sizes):
    import ml_dtypes
    import numpy as np

    from tf_ddl import collective

    collective.init()
    rank, world = collective.rank(), collective.size()
    dtypes = ["float32", "float64", "float16", ml_dtypes.bfloat16, "int32", "int64"]
    for count in sizes:
        for dtype in dtypes if count < 100_000 else dtypes[:1]:
            # Small whole numbers, so that sums are exact in every dtype.
            values = [(np.arange(count) * 7 + r) % 13 for r in range(world)]
            mine = values[rank].astype(dtype)
            total = sum(values, np.zeros(count, np.int64))
            got = collective.all_reduce(mine)
            assert got.dtype == mine.dtype
            np.testing.assert_array_equal(got.astype(np.float64), total)
            np.testing.assert_array_equal(mine, values[rank].astype(dtype))

            in_place = mine.copy()
            assert collective.all_reduce(in_place, out=in_place) is in_place
            np.testing.assert_array_equal(in_place, got)

            # Every rank holds total + r: the mean is total plus the mean of the ranks.
            alike = total * 2 * world
            mean = collective.all_reduce(alike.astype(dtype), op="mean")
            if dtype not in ("float16", ml_dtypes.bfloat16):
                np.testing.assert_array_equal(mean.astype(np.float64), alike)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_all_reduce(transport, size):
    run_workers(reduce_everything, size, args=(SIZES,), env=TRANSPORTS[transport], timeout=100)


def test_all_reduce_of_one():
    run_workers(reduce_everything, 1, args=(SIZES,), timeout=60)


def other_collectives():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    rank, world = collective.rank(), collective.size()
    for root in range(world):
        for mine in (
            np.full([3, 5], rank, np.float32),
            np.array([[f"rank {rank}", "x"]]),
            np.array(rank, np.complex128),
            np.zeros([0, 4]),
            np.full([300_001], rank, np.int8),
        ):
            got = collective.broadcast(mine, root)
            expected = mine if mine.dtype.kind == "U" else np.full_like(mine, root)
            if mine.dtype.kind == "U":
                expected = np.array([[f"rank {root}", "x"]])
            np.testing.assert_array_equal(got, expected)

    for rows in ([1] * world, list(range(world)), [0] * (world - 1) + [5], [0] * world):
        mine = np.full([rows[rank], 3], rank, np.int16)
        got = collective.all_gather(mine)
        expected = np.concatenate([np.full([n, 3], r, np.int16) for r, n in enumerate(rows)])
        np.testing.assert_array_equal(got, expected)
        got[...] = 1  # the result is the caller's
    collective.barrier()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_broadcast_and_all_gather(transport, size):
    run_workers(other_collectives, size, env=TRANSPORTS[transport], timeout=60)


def wait_for_the_last():
    import time

    import numpy as np

    from tf_ddl import collective

    collective.init()
    collective.barrier()
    if collective.rank() == 1:
        time.sleep(0.5)
    came = time.monotonic()  # of this host's clock
    collective.barrier()
    left = time.monotonic()
    assert left >= collective.broadcast(np.array([came]), 1)[0]


def test_barrier():
    run_workers(wait_for_the_last, 3, timeout=60)


def strided_and_scalar():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    world = collective.size()
    grid = np.arange(24.0).reshape(4, 6)
    np.testing.assert_array_equal(collective.all_reduce(grid[::2, ::3]), grid[::2, ::3] * world)
    np.testing.assert_array_equal(collective.all_reduce(grid.T), grid.T * world)
    assert collective.all_reduce(np.float32(1.5)) == 1.5 * world
    assert collective.all_reduce([1, 2]).tolist() == [world, 2 * world]
    overlapping = np.arange(8.0)
    collective.all_reduce(overlapping[:4], out=overlapping[2:6])
    np.testing.assert_array_equal(overlapping[2:6], np.arange(4.0) * world)


def test_any_memory_layout():
    run_workers(strided_and_scalar, 2, timeout=60)


def wrong_use():
    import numpy as np

    from tf_ddl import collective, errors

    def raises(kind, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except kind:
            return
        raise AssertionError(f"{call.__name__} did not raise {kind.__name__}")

    raises(errors.NotInitializedError, collective.rank)
    raises(errors.NotInitializedError, collective.all_reduce, np.ones(3))
    collective.init()
    collective.init()
    bad = errors.InvalidArgumentError
    raises(bad, collective.all_reduce, np.ones(3), op="max")
    raises(bad, collective.all_reduce, np.array(["a"]))
    raises(bad, collective.all_reduce, np.ones(3), out=np.ones(4))
    raises(bad, collective.all_reduce, np.ones(3), out=np.ones(3, np.float32))
    raises(bad, collective.all_reduce, np.ones(3), out=np.ones([3, 2])[:, 0])
    raises(bad, collective.broadcast, np.ones(3), root=2)
    raises(bad, collective.broadcast, np.ones(3), root=-1)
    raises(bad, collective.all_gather, np.float32(3))
    raises(bad, collective.all_gather, np.array([object()]))
    # None of this has hurt the job.
    assert collective.all_reduce(np.ones(3)).tolist() == [2, 2, 2]
    collective.shutdown()
    collective.shutdown()
    raises(errors.NotInitializedError, collective.size)


def test_wrong_use_is_an_error_and_harmless():
    run_workers(wrong_use, 2, timeout=60)


def without_variables():
    import numpy as np

    from tf_ddl import collective

    collective.init()
    assert (collective.rank(), collective.size()) == (0, 1)
    assert collective.all_reduce(np.ones(3), op="mean").tolist() == [1, 1, 1]
    assert collective.all_gather(np.ones([2, 2])).shape == (2, 2)


def test_without_a_launcher_a_world_of_one():
    unset = {0: dict.fromkeys(["DDL_RANK", "DDL_SIZE", "DDL_RENDEZVOUS", "DDL_SECRET"], "")}
    run_workers(without_variables, 1, env_by_rank=unset, timeout=60)
