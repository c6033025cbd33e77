"""The parts of the benchmark that need no other process."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tf_ddl.bench import buffers, contenders, result_tables, sampling, workloads


def _reduced(size: int, shapes: list[list[int]], repeats: int) -> tuple[buffers.Pattern, list]:
    """A pattern, and what `repeats` in-place sums make of the ranks' values."""
    patterns = [buffers.Pattern(rank, size) for rank in range(size)]
    per_rank = [buffers.make(shapes) for _ in patterns]
    for pattern, tensors in zip(patterns, per_rank):
        pattern.fill(tensors)
    for _ in range(repeats):
        sums = [np.sum(tensors, axis=0, dtype=np.float32) for tensors in zip(*per_rank)]
        per_rank = [[total.copy() for total in sums] for _ in patterns]
    return patterns[0], per_rank[0]


@pytest.mark.parametrize("size", [2, 3, 4, 6, 7])
def test_repeated_sums_stay_exact(size: int) -> None:
    repeats = min(60, buffers.max_repeats(size))
    assert repeats >= 5
    pattern, tensors = _reduced(size, [[3, 5], [9000]], repeats)
    assert pattern.wrong_sum(tensors, repeats) == ""


def test_what_is_wrong_is_seen() -> None:
    pattern, tensors = _reduced(2, [[100], [20000], [20000]], 1)
    assert pattern.wrong_sum(tensors) == ""
    assert "tensor 0, element 0" in pattern.wrong_sum(tensors, repeats=2)
    swapped = [tensors[0], tensors[2], tensors[1]]
    assert "tensor 1" in pattern.wrong_sum(swapped)
    rolled = [tensors[0], np.roll(tensors[1], 4096), tensors[2]]
    assert "tensor 1" in pattern.wrong_sum(rolled)
    tensors[2][12345] += 1
    assert "tensor 2, element 12345" in pattern.wrong_sum(tensors)
    tensors[2][12345] = np.nan
    assert "nan" in pattern.wrong_sum(tensors)


def test_large_tensors_are_checked_to_the_end() -> None:
    pattern = buffers.Pattern(1, 2)
    (tensor,) = buffers.make([[3_000_001]])
    pattern.fill([tensor])
    assert pattern.wrong_copy([tensor]) == ""
    tensor[-1] += 1
    assert "element 3000000" in pattern.wrong_copy([tensor])


def test_resnet50_has_its_published_size() -> None:
    shapes = workloads.resnet50_shapes()
    assert len(shapes) == 214
    biases = 26_560  # of Keras' convolutions
    assert sum(math.prod(shape) for shape in shapes) - biases == 25_557_032
    assert workloads.resnet50().bytes == 4 * 25_583_592


def test_quartiles() -> None:
    assert result_tables.quartiles([3.0]) == (3.0, 3.0, 3.0)
    assert result_tables.quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)


def _result(name: str, seconds: list[float], error: str = "") -> sampling.Result:
    contender = next(c for c in contenders.ALL_REDUCE if c.name == name)
    result = sampling.Result(workloads.all_reduce(1_000_000), contender, 4, error=error)
    result.seconds = seconds
    result.cpu = [4 * value for value in seconds]
    return result


def test_rates_and_ratios() -> None:
    results = [
        _result(contenders.OURS, [2e-3, 1e-3, 3e-3]),
        _result(contenders.FLOOR, [1e-3]),
        _result("mpi", [4e-3]),
        _result("mwms", [], error="rank 1 has ended\nand why"),
    ]
    everything = result_tables.as_json(results, [], {}, {"torch_gloo": "no"}, 4, sampling.Effort())
    ours, _, mpi, mwms = everything["results"]
    assert ours["algbw"] == pytest.approx(0.5e9)
    assert ours["busbw"] == pytest.approx(0.75e9)  # 2 (p - 1) / p
    assert (ours["to_floor"], mpi["to_ours"]) == (pytest.approx(2), pytest.approx(2))
    assert mpi["cpu_share"] == pytest.approx(1)
    assert not mwms["verified"]
    assert "median" not in mwms
    lines = result_tables.table(results).splitlines()
    assert lines[0] == "1 MB float32, 4 ranks"
    assert "2 ms" in lines[2]
    assert lines[-1].split() == ["mwms", "failed:", "rank", "1", "has", "ended"]
