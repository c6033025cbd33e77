"""`python -m tf_ddl.plan`, the clusters it reads, and the planner behind it."""

from __future__ import annotations

import collections
import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_ddl import errors
from tf_ddl._native import planner
from tf_ddl.plan import __main__ as command
from tf_ddl.plan import cluster_file, drawing

TWO_RAILS = {
    "hosts": [
        {
            "name": f"node {h}",
            "ranks": 2,
            "gpus": 2,
            "interfaces": [
                {"name": "eth0", "address": f"10.1.0.{h}", "network": "10.1.0.0/24", "gbps": 10},
                {"name": "eth1", "address": f"10.2.0.{h}", "network": "10.2.0.0/24", "gbps": 2.5},
                {"name": "mgmt", "address": f"10.{h}.9.9", "network": f"10.{h}.9.0/24"},
            ],
        }
        for h in range(3)
    ]
}


@pytest.fixture
def two_rails(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(TWO_RAILS))
    return str(path)


def _run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = command.main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_shows_candidates_and_marks_the_choice(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "--topology", "4x8", "--bytes", "100MB")
    assert code == 0
    assert "32 rank(s) on 8 host(s)" in out
    for name in ("direct", "pairwise", "ring", "grid 4x8", "grid 4x2x4", "halving-doubling"):
        assert f"{name} rail 0" in out
    marked = [line for line in out.splitlines() if line.startswith(" -> ")]
    assert len(marked) == 1
    assert "up to" in out and "above" in out


def test_proves_the_choice_and_counts_bytes(
    capsys: pytest.CaptureFixture[str], two_rails: str
) -> None:
    code, out, _ = _run(
        capsys, "--topology", two_rails, "--bytes", "24MB", "--verify", "--plan", "grid"
    )
    assert code == 0
    assert "rail(s): 10.1.0.0/24, 10.2.0.0/24" in out
    assert "verified: every one of 6000000 elements" in out
    # 2(H-1)/H of the bucket leaves each host: 32 MB, four fifths of them on the faster rail.
    assert "node 0 and 2 more, each, rail 10.1.0.0/24: sends 25.6 MB, receives 25.6 MB" in out
    assert "node 0 and 2 more, each, rail 10.2.0.0/24: sends 6.4 MB, receives 6.4 MB" in out


def test_shows_the_steps_of_a_rank(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(
        capsys, "--topology", "1x4", "--bytes", "64", "--plan", "ring", "--show", "2"
    )
    assert code == 0
    assert out.startswith("ring: rank 2 of 4, 16 elements")
    assert out.count("recv-reduce") == 3


def test_a_slow_interface_loses_its_share(tmp_path: pathlib.Path) -> None:
    slow = json.loads(json.dumps(TWO_RAILS))
    slow["hosts"][1]["interfaces"][1]["gbps"] = 0.1
    path = tmp_path / "slow.json"
    path.write_text(json.dumps(slow))
    cluster = cluster_file.read(str(path))
    # Both directions between host 1 and the two others.
    assert cluster.links.count("exception 1 ") == 4
    name = planner.candidates(cluster.topology, cluster.links, 10**8)["chosen"]["name"]
    assert "rail 0 99%" in name or "rail 1" not in name, name


def test_links_files_come_first(tmp_path: pathlib.Path, two_rails: str) -> None:
    links = tmp_path / "links.json"
    links.write_text(
        json.dumps(
            {
                "local": {"alpha": 1e-6, "beta": 1e-10},
                "gamma": 2e-10,
                "rails": [{"alpha": 1e-5, "gbps": 8}, {"beta": 2e-9}],
                "exceptions": [{"rail": "10.2.0.0/24", "from": "node 2", "to": 0, "gbps": 1}],
            }
        )
    )
    text = cluster_file.read(two_rails, str(links)).links.splitlines()
    assert text == [
        "links 1",
        "local 1e-06 1e-10",
        "gamma 2e-10",
        "rail 1e-05 1e-09",
        "rail 3e-05 2e-09",
        "exception 1 2 0 3e-05 8e-09",
    ]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--topology", "4x2", "--plan", "grid:4x8x8"], "4x8x8 makes 256 ranks, the job has 8"),
        (["--topology", "4x2", "--plan", "tree"], 'plan "tree" is not known'),
        (["--topology", "4x"], "'4x' is not a grid"),
        (["--topology", "0x2"], "'0x2' is not a grid"),
        (["--topology", "no-such.json"], "neither a grid such as 4x8 nor a file"),
        (["--topology", "2x2", "--links", "no-such.json"], "No such file"),
        (["--topology", "2x2", "--show", "4"], "rank 4 of 4"),
        (["--topology", "2x64", "--draw", "p.png"], "a drawing of 128 ranks cannot be read"),
    ],
)
def test_impossible_wishes_are_refused(
    capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    code, _, err = _run(capsys, *argv)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hosts": []}, "hosts should be a list of hosts"),
        ({"hosts": [{"rank": 2}]}, "host 0: 'rank' is not known"),
        ({"hosts": [{"ranks": 0}]}, "host 0: ranks should be a number above 0"),
        ({"hosts": [{"ranks": [0, 2]}]}, "has rank 2, but there are ranks 0 to 1"),
        ({"hosts": [{"ranks": [0, 1]}, {"ranks": [1]}]}, "rank 1, and so has host 0"),
        ({"hosts": [{"interfaces": [{"name": "a"}]}]}, "interface 0: network should be a name"),
        ({"hosts": [{"ranks": 2}], "grid": "3x1"}, "3x1 makes 3 ranks, the job has 2"),
        ({"hosts": [{}, {}], "links": {"rails": [{"gbps": 0}]}}, "gbps should be a number above 0"),
        ({"hosts": [{}, {}], "links": {"beta": 1}}, "links: 'beta' is not known"),
        (
            {"hosts": [{}, {}], "links": {"exceptions": [{"from": "x", "to": 0}]}},
            "from: 'x' is neither one of host-0, host-1 nor a number below 2",
        ),
        ({"hosts": [{}, {}], "links": {"gamma": -1}}, "gamma should be seconds per byte"),
    ],
)
def test_files_that_make_no_sense_are_refused(
    tmp_path: pathlib.Path, change: dict, message: str
) -> None:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(change))
    with pytest.raises(errors.InvalidArgumentError, match=".") as caught:
        cluster_file.read(str(path))
    assert message in str(caught.value)


def _cluster(hosts: list[int], rails: int) -> tuple[str, str]:
    lines, following = ["topology 1"], 0
    for h, ranks in enumerate(hosts):
        lines.append(f"host h{h} 0 {following}-{following + ranks - 1}")
        following += ranks
    lines += [f"rail r{k}" for k in range(rails)]
    links = ["links 1", "local 5e-06 2e-10", "gamma 1e-10"]
    links += [f"rail 5e-05 {(k + 1) * 1e-8!r}" for k in range(rails)]
    return "\n".join(lines) + "\n", "\n".join(links) + "\n"


@settings(max_examples=60, deadline=None)
@given(
    hosts=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    rails=st.integers(1, 3),
    count=st.integers(0, 5000),
)
def test_every_candidate_is_proved(hosts: list[int], rails: int, count: int) -> None:
    topology, links = _cluster(hosts, rails)
    answer = planner.candidates(topology, links, count * 4)
    assert answer["candidates"]
    for candidate in [*answer["candidates"], answer["chosen"]]:
        report = planner.check(topology, candidate["table"], count)
        sent = collections.Counter()
        for sender, receiver, _, elements in report["links"]:
            assert sender != receiver
            sent[sender] += elements
        size = sum(hosts)
        if size > 1 and count >= size and "direct" not in candidate["name"]:
            # Nobody can get along with fewer bytes than these in all.
            assert sum(sent.values()) >= 2 * (size - 1) * count // size


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_drawings_show_what_is_sent(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], two_rails: str, ending: str
) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"plan.{ending}"
    code, _, err = _run(capsys, "--topology", two_rails, "--bytes", "1MB", "--draw", str(path))
    assert code == 0, err
    content = path.read_bytes()
    if ending == "png":
        assert content.startswith(b"\x89PNG")
    else:
        assert b"</svg>" in content
    assert len(content) > 10_000


def test_drawn_messages_are_those_of_the_plan() -> None:
    topology, links = _cluster([2, 2], 1)
    table = planner.candidates(topology, links, 4096, plan="ring")["chosen"]["table"]
    plans = [planner.steps(topology, table, rank, 1024) for rank in range(4)]
    found = collections.Counter()
    for lane in range(len(plans[0]["lanes"])):
        for message in drawing.messages(plans, lane):
            found[message.sender, message.receiver] += message.end - message.begin
    links_of = planner.check(topology, table, 1024)["links"]
    assert found == {(s, r): elements for s, r, _, elements in links_of}
