"""The benchmark, run: its results are verified, its figures are nobody's business here."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from harness import run_workers
from time_limits import limit

from tf_ddl.bench import contenders, workloads
from tf_ddl.bench.team import Team, TeamError

_QUICK = ("--rounds", "1", "--samples", "2", "--seconds", "0.05", "--steps", "2")


def _bench(*arguments: str, timeout: float = 240.0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tf_ddl.bench", *_QUICK, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def _team(name: str, size: int = 2) -> Team:
    contender = next(c for c in contenders.ALL_REDUCE if c.name == name)
    return Team(contender, sys.executable, size)


@pytest.mark.parametrize("ranks", [2, 3])
def test_all_reduces(tmp_path: pathlib.Path, ranks: int) -> None:
    file = tmp_path / "out" / "bench.json"
    done = _bench(
        "-np", str(ranks),
        "--parts", "sizes,resnet50,waiting",
        "--sizes", "4,4KiB,1MB",
        "--only", "tf_ddl,memcpy,torch_gloo",
        "--variant", "DDL_SHM=0",
        "--peer-python", f"torch={tmp_path / 'none'}",
        "--wait-seconds", "0.2",
        "--json", str(file),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    everything = json.loads(file.read_text())
    assert everything["format"] == 1
    assert everything["ranks"] == ranks
    assert everything["machine"]["cores"] >= 1
    assert everything["contenders"]["tf_ddl"]["tf_ddl"] == everything["tf_ddl"]
    assert everything["absent"]["torch_gloo"].startswith("not installed")
    assert "torch_gloo: not installed" in done.stdout

    names = {"tf_ddl", "memcpy", "tf_ddl[DDL_SHM=0]"}
    items = ["4 B", "4 KiB", "1 MB", "ResNet-50 gradients"]
    results = everything["results"]
    assert [(r["workload"], r["contender"]) for r in results] == [
        (item, name) for item in items for name in ("tf_ddl", "memcpy", "tf_ddl[DDL_SHM=0]")
    ]
    for result in results:
        assert result["verified"], result
        assert result["ranks"] == ranks
        assert 1 <= len(result["seconds"]) <= 2
        assert len(result["seconds"]) == len(result["cpu_seconds"])
        assert 0 < result["q1"] <= result["median"] <= result["q3"]
        assert result["algbw"] == pytest.approx(result["bytes"] / result["median"])
        assert result["busbw"] == pytest.approx(result["algbw"] * 2 * (ranks - 1) / ranks)
        assert result["to_ours"] > 0
        assert result["to_floor"] > 0
    assert {one["contender"] for one in everything["waiting"]} == names - {"memcpy"}
    for item in items:
        assert re.search(rf"^{re.escape(item)} float32, {ranks} ranks", done.stdout, re.M)


def test_tensorflow_peers_and_training(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "bench.json"
    done = _bench(
        "--parts", "sizes,training",
        "--sizes", "64KiB",
        "--only", "tf_ddl,tf_ddl_op,mwms,independent",
        "--json", str(file),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    everything = json.loads(file.read_text())
    assert not everything["absent"]
    results = everything["results"]
    assert all(result["verified"] for result in results), results
    measured = {(result["workload"], result["contender"]) for result in results}
    assert {("64 KiB", name) for name in ("tf_ddl", "tf_ddl_op", "mwms")} <= measured
    for model in ("MLP", "CNN"):
        for name in ("tf_ddl", "independent"):
            assert {(f"{model}, fit", name), (f"{model}, own loop", name)} <= measured
        assert (f"{model}, own loop", "mwms") in measured
    assert "CNN, own loop, 2 workers" in done.stdout


def test_a_contender_that_fails_is_reported_and_the_others_go_on(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "bench.json"
    done = _bench(
        "--parts", "sizes",
        "--sizes", "4KiB",
        "--only", "tf_ddl,memcpy",
        "--variant", "DDL_BUCKET_BYTES=nonsense",
        "--json", str(file),
    )  # fmt: skip
    assert done.returncode == 1  # it is ours that failed
    everything = json.loads(file.read_text())
    assert "DDL_BUCKET_BYTES" in everything["absent"]["tf_ddl[DDL_BUCKET_BYTES=nonsense]"]
    assert {r["contender"] for r in everything["results"]} == {"tf_ddl", "memcpy"}


@pytest.mark.timed
def test_a_lost_worker_is_an_error_at_once() -> None:
    team = _team("tf_ddl")
    try:
        team.ask({"do": "prepare", "spec": workloads.all_reduce(4096).spec}, 30)
        team._processes[1].send_signal(signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(TeamError, match=r"rank [01]"):
            team.ask({"do": "ready", "warmup": 3}, 30)
        assert time.monotonic() - began < limit(5)
    finally:
        team.kill()


def test_a_worker_without_an_answer_is_an_error_in_time() -> None:
    team = _team("memcpy")
    try:
        team._processes[1].send_signal(signal.SIGSTOP)
        with pytest.raises(TeamError, match=r"rank 1 gave no answer within 0\.5 s"):
            team.ask({"do": "idle", "seconds": 0.01}, 0.5)
    finally:
        team.kill()


def test_workers_end_with_the_benchmark() -> None:
    command = [sys.executable, "-m", "tf_ddl.bench", "--only", "tf_ddl,memcpy", "--rounds", "1000"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as popen:
        try:
            for line in popen.stderr:
                if "KiB" in line:
                    break
        finally:
            os.kill(popen.pid, signal.SIGKILL)
    # The fixture no_leftovers sees what is left.


def test_resnet50_is_that_of_keras() -> None:
    code = (
        "import keras\n"
        "model = keras.applications.ResNet50(weights=None)\n"
        "print(sorted(tuple(v.shape) for v in model.trainable_variables))\n"
    )
    (done,) = run_workers(code, 1, timeout=120)
    assert done.stdout.splitlines()[-1] == str(sorted(workloads.resnet50_shapes()))


def test_models_have_the_stated_sizes() -> None:
    code = "from tf_ddl.bench import training as m; print(m.parameters('mlp'), m.parameters('cnn'))"
    (done,) = run_workers(code, 1, fresh=False, timeout=120)
    mlp, cnn = map(int, done.stdout.split()[-2:])
    assert mlp == pytest.approx(10e6, rel=0.02)
    assert cnn == pytest.approx(2.5e6, rel=0.02)
