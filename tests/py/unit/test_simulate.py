"""The simulator: models, clusters, the published system, the command line."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import pathlib
import subprocess
import sys

import pytest

from tf_ddl import errors, simulate
from tf_ddl.bench import workloads
from tf_ddl.simulate import __main__ as command
from tf_ddl.simulate import presets, scaling

SMALL = simulate.Cluster(
    name="small",
    hosts=2,
    gpus_per_host=1,
    local=simulate.Link(10, 10),
    rails=(simulate.Link(100, 1),),
    add_gb_per_s=4,
)


def _engine(plan: str, **wishes: object) -> simulate.Engine:
    whole = 1 << 40
    engine = simulate.Engine(plan, first_bucket_bytes=whole, bucket_bytes=whole)
    return dataclasses.replace(engine, **wishes)


# ---------------------------------------------------------------- models


def test_resnet50_is_that_of_the_benchmark() -> None:
    model = simulate.MODELS["resnet50"]()
    shapes = [shape for layer in model.layers for shape in layer.shapes]
    assert shapes == workloads.resnet50_shapes()


@pytest.mark.parametrize(
    ("name", "multiplications"),  # 10^9, He et al. (arXiv 1512.03385), table 1
    [("resnet50", 3.8), ("resnet101", 7.6)],
)
def test_operations_are_those_of_the_paper(name: str, multiplications: float) -> None:
    operations = simulate.MODELS[name]().operations
    assert operations / 2 == pytest.approx(multiplications * 1e9, rel=0.02)


def test_parameters() -> None:
    assert simulate.MODELS["mlp"]().parameters == 10_020_874
    # Keras' ResNet101 has 44,707,176, of which 105,344 are moving statistics.
    assert simulate.MODELS["resnet101"]().parameters == 44_707_176 - 105_344


def test_gradients_become_ready_from_the_last_layer_to_the_first() -> None:
    layers = (simulate.Layer(((2, 3), (3,)), 30), simulate.Layer(((3, 4),), 10))
    model = simulate.Model("two", layers)
    # Forward 40, then 20 and 60 backward: 120 in 12 s.
    assert list(simulate.gradients(model, 12)) == [(12, 6), (3, 12), (6, 12)]


# ---------------------------------------------------------------- steps


def test_a_ring_of_two() -> None:
    elements = 1 << 20
    outcome = simulate.simulate(SMALL, _engine("ring", chunk_bytes=1 << 30), [(elements, 0.5)])
    half = 2 * elements
    expected = 2 * (100e-6 + half / 1e9) + half / 4e9
    assert outcome.seconds - 0.5 == pytest.approx(expected, rel=1e-9)
    (bucket,) = outcome.buckets
    assert (bucket.bytes, bucket.start) == (4 * elements, 0.5)
    assert bucket.end == outcome.seconds
    assert bucket.plan.startswith("ring")


def test_gradients_ride_in_the_engines_buckets() -> None:
    engine = simulate.Engine("ring", first_bucket_bytes=1000, bucket_bytes=4000)
    gradients = [(100, 0.1), (200, 0.2), (900, 0.4), (50, 0.3), (800, 0.5), (10, 0.6)]
    outcome = simulate.simulate(SMALL, engine, gradients)
    buckets = [(bucket.bytes, bucket.start) for bucket in outcome.buckets]
    assert buckets == [(1200, 0.2), (4 * (50 + 900 + 800), 0.5), (40, 0.6)]


def test_two_rails_are_twice_as_fast() -> None:
    two = dataclasses.replace(SMALL, rails=SMALL.rails * 2)
    gradients = [(25_000_000, 0.0)]
    one_rail = simulate.simulate(SMALL, _engine(""), gradients).seconds
    two_rails = simulate.simulate(two, _engine(""), gradients).seconds
    assert two_rails == pytest.approx(one_rail / 2, rel=0.1)


@pytest.mark.parametrize("plan", sorted(simulate.PLANS))
def test_one_host_for_all_agrees_with_every_rank(plan: str) -> None:
    cluster = presets.minsky().cluster.of_gpus(32)
    algorithm, grid = simulate.PLANS[plan](cluster)
    gradients = [(1_000_000, 0.0), (3_000_000, 0.001), (500_000, 0.002)]
    folded, full = (
        simulate.simulate(cluster, simulate.Engine(algorithm, grid, fold=fold), gradients)
        for fold in (True, False)
    )
    assert folded.folded
    assert not full.folded
    assert full.messages == cluster.hosts * folded.messages
    assert folded.seconds == pytest.approx(full.seconds, rel=0.03)


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="3x5 makes 15 ranks"):
        simulate.simulate(SMALL, _engine("grid", grid="3x5"), [(1000, 0.0)])
    with pytest.raises(errors.InvalidArgumentError, match="spiral"):
        simulate.simulate(SMALL, _engine("spiral"), [(1000, 0.0)])
    with pytest.raises(errors.InvalidArgumentError, match="tensor 0 has -1 elements"):
        simulate.simulate(SMALL, _engine("ring"), [(-1, 0.0)])
    with pytest.raises(errors.InvalidArgumentError, match="is ready at nan"):
        simulate.simulate(SMALL, _engine("ring"), [(1, math.nan)])


# ---------------------------------------------------------------- published systems


def test_ibms_setting_is_within_three_points() -> None:
    preset = presets.minsky()
    assert preset.published is not None
    setting = simulate.Setting.of(preset, "resnet50")
    assert setting.cluster.gpus == preset.published.gpus == 256
    check = scaling.check_published(setting, preset.published, "as assumed")
    assert abs(check.chosen - preset.published.efficiency) <= 0.03
    # Against one GPU instead of one server, too.
    against_one = dataclasses.replace(preset.published, baseline_gpus=1)
    alone = scaling.check_published(setting, against_one, "against one GPU")
    assert abs(alone.chosen - preset.published.efficiency) <= 0.03
    # The flat ring pays 510 latencies where the others pay some dozen.
    rounds = 2 * 255 - 2 * (3 + 7 + 7)
    lost = rounds * setting.cluster.rails[0].latency_us * 1e-6 / setting.workload.step_seconds
    assert 0.3 * lost < check.chosen - check.ring < 1.5 * lost


def test_efficiency_falls_with_gpus_and_rings_fall_deeper() -> None:
    setting = simulate.Setting.of(presets.minsky(), "resnet50")
    gpus = [1, 4, 16, 64, 256, 1024]
    points = simulate.scale(setting, gpus, ["chosen", "ring"])
    by_plan = {
        plan: [p.efficiency for p in points if p.plan == plan] for plan in ("chosen", "ring")
    }
    for efficiencies in by_plan.values():
        assert efficiencies[0] == 1
        assert all(0 < b <= a + 0.002 for a, b in itertools.pairwise(efficiencies))
    assert by_plan["ring"][-1] < by_plan["chosen"][-1] - 0.03


def test_overlap_hides_communication() -> None:
    preset = presets.minsky()
    for gpus in (8, 256):
        seconds = [
            simulate.scale(simulate.Setting.of(preset, "resnet50", overlap), [gpus], ["chosen"])[0]
            for overlap in (True, False)
        ]
        assert seconds[0].seconds < seconds[1].seconds


@pytest.mark.parametrize("name", sorted(presets.PRESETS))
def test_presets_have_sources_and_can_be_simulated(name: str) -> None:
    preset = presets.PRESETS[name]()
    assert all(workload.source for workload in preset.workloads.values())
    assert "Assumptions" in (presets.PRESETS[name].__doc__ or "")
    for model in preset.workloads:
        setting = simulate.Setting.of(preset, model)
        (point,) = simulate.scale(setting, [preset.cluster.gpus], ["chosen"])
        assert 0.1 < point.efficiency <= 1


# ---------------------------------------------------------------- clusters


def test_a_cluster_in_a_few_lines(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mine.json"
    values = {
        "hosts": 8,
        "gpus_per_host": 2,
        "local": {"latency_us": 5, "gb_per_s": 20},
        "rails": [{"latency_us": 10, "gbit_per_s": 100}, {"latency_us": 20, "gb_per_s": 3}],
        "add_gb_per_s": 100,
    }
    path.write_text(json.dumps(values))
    cluster = simulate.load(path)
    assert (cluster.name, cluster.gpus) == ("mine", 16)
    assert cluster.rails == (simulate.Link(10, 12.5), simulate.Link(20, 3))
    assert cluster.of_gpus(1).gpus == 1
    assert cluster.of_gpus(64).hosts == 32
    with pytest.raises(ValueError, match="3 GPUs do not fill hosts of 2"):
        cluster.of_gpus(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hosts": 0}, "hosts is 0"),
        ({"hosts": 1.5}, "hosts is 1.5"),
        ({"local": {"latency_us": 5}}, "is no link"),
        ({"local": {"latency_us": "5", "gb_per_s": 1}}, "latency_us is '5', no number"),
        ({"local": {"latency_us": -5, "gb_per_s": 1}}, "latency_us is -5"),
        ({"rails": []}, "needs a rail"),
        ({"rails": 5}, "no list"),
        ({"add_gb_per_s": 0}, "add_gb_per_s is 0"),
        ({"colour": "blue"}, "unknown: colour"),
    ],
)
def test_a_wrong_cluster_is_refused(
    tmp_path: pathlib.Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "wrong.json"
    link = {"latency_us": 5, "gb_per_s": 20}
    values = {"hosts": 1, "gpus_per_host": 1, "local": link, "rails": [link], "add_gb_per_s": 1}
    path.write_text(json.dumps(values | change))
    with pytest.raises(ValueError, match=message) as caught:
        simulate.load(path)
    assert "wrong.json" in str(caught.value)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"wrong\.json"):
        simulate.load(path)


# ---------------------------------------------------------------- command line


TABLE = """
import sys
from tf_ddl.simulate import __main__ as command
code = command.main(["--json", sys.argv[1]])
# Not getrusage, which counts the memory of the process that started this one too.
status = open("/proc/self/status").read().splitlines()
print("KiB", next(line.split()[1] for line in status if line.startswith("VmHWM")))
sys.exit(code)
"""


def test_the_table_takes_less_than_a_minute_and_500_mb(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "all.json"
    done = subprocess.run(
        [sys.executable, "-c", TABLE, str(path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert int(lines[-1].split()[1]) * 1024 < 500e6
    rows = [line for line in lines if line.startswith("| 1024 |")]
    assert len(rows) == 1
    assert rows[0].count("%") == len(simulate.PLANS)
    assert any("published: 95% at 256 GPUs against 4 GPUs" in line for line in lines)
    values = json.loads(path.read_text())
    assert len(values["points"]) == 11 * len(simulate.PLANS)
    first = values["checks"][0]
    assert first["what"] == "as assumed"
    falls_short = 100 * (first["chosen"] - first["ring"])
    (row,) = (line for line in lines if line.startswith("| as assumed |"))
    assert row.endswith(f"| {falls_short:.1f} points |")


def test_flags_change_the_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--gpus", "8,64", "--gpus-per-host", "8", "--local", "5us,130GB/s"]
    arguments += ["--rail", "5us,100Gbit/s", "--rail", "5us,12.5GB/s", "--add", "500"]
    arguments += ["--batch", "64", "--rate", "400", "--overlap", "--plans", "chosen,ring"]
    assert command.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "hosts of 8; within them 130 GB/s, 5 us" in printed
    assert "between them 100 Gbit/s, 5 us + 100 Gbit/s, 5 us" in printed
    assert "64 examples per GPU in 160.0 ms (as given)" in printed
    assert "published" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpus", "6"], "6 GPUs do not fill hosts of 4"),
        (["--batch", "32"], "give --batch and --rate together"),
        (["--batch", "0", "--rate", "1"], "both must be above 0"),
        (["--model", "mlp"], "has no throughput of mlp"),
        (["--cluster", "/nowhere.json"], "nowhere.json"),
    ],
)
def test_wrong_arguments_are_explained(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert command.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--local", "5,1"], "is no link like"),
        (["--local", "5us,-1GB/s"], "is no link like"),
        (["--gpus", "0"], "at least one GPU"),
        (["--plans", "star"], "unknown: star"),
    ],
)
def test_ill_formed_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert message in capsys.readouterr().err


def test_the_plot(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "scaling.png"
    assert command.main(["--gpus", "1,8", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
