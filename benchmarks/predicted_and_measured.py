"""All-reduces of the host communicator: times that the simulator predicts beside measured ones.

    python benchmarks/predicted_and_measured.py                    # 2 and 4 ranks on this machine
    python benchmarks/predicted_and_measured.py -np 2 --sizes 4KiB,1MiB,100MB
    DDL_CMA=0 python benchmarks/predicted_and_measured.py          # through shared memory
    python benchmarks/predicted_and_measured.py --hosts 4 --rates 200,200       # test hosts (root)
    ddlrun -np 3 benchmarks/predicted_and_measured.py              # or start the ranks yourself

On other hosts, start every rank with its DDL_* variables; rank 0 prints. Which plan ran is asked of
the engine, and the same one is simulated.

Costs of links and of adding are those that the engine measured of its links when it started
(`DDL_LINKS` keeps them), by other operations than the ones predicted: messages of two sizes between
pairs of ranks, while all ranks of a host move data. `--cluster FILE` takes others: the fields of
`tf_ddl.simulate.Cluster` as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tf_ddl import collective, simulate
from tf_ddl._base.sizes import size_argument, size_in_words
from tf_ddl._native import planner, process_engine
from tf_ddl.plan import files

_SIZES = "4KiB,64KiB,1MiB,4MiB,16MiB,100MB"
_MOST_REPEATS = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Runs as a rank of a job, or starts jobs if this process is none."""
    arguments = _parse(argv)
    if "DDL_RANK" not in os.environ:
        given = sys.argv[1:] if argv is None else argv
        if arguments.hosts:
            return _start_on_test_hosts(arguments.hosts, arguments.rates, given)
        return max(_start(count, given) for count in arguments.np)
    collective.init()
    try:
        rows = _rank(arguments)
    finally:
        collective.shutdown()
    if rows and arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _start(ranks: int, argv: Sequence[str]) -> int:
    command = [sys.executable, "-m", "tf_ddl.run", "-np", str(ranks), __file__, *argv]
    return subprocess.run(command, check=False).returncode


def _start_on_test_hosts(hosts: int, rates: Sequence[float], argv: Sequence[str]) -> int:
    """A rank on each of some network namespaces; they are removed whatever happens."""
    name = "p" + secrets.token_hex(4)
    script = ["bash", str(pathlib.Path(__file__).with_name("hosts.sh"))]
    common = dict(
        os.environ,
        DDL_SIZE=str(hosts),
        DDL_RENDEZVOUS="10.1.0.1:29470",
        DDL_SECRET=secrets.token_hex(16),
    )
    ranks: list[subprocess.Popen[bytes]] = []
    try:
        in_words = ",".join(f"{rate:g}" for rate in rates)
        make = [*script, "up", name, "--hosts", str(hosts), "--rates", in_words]
        subprocess.run(make, check=True, timeout=60)
        for host in range(hosts):
            command = [*script, "run", name, str(host), "--", sys.executable, __file__, *argv]
            ranks.append(subprocess.Popen(command, env=dict(common, DDL_RANK=str(host))))
        return max(rank.wait(timeout=600) for rank in ranks)
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
        subprocess.run([*script, "down", name], check=True, timeout=60)


def _rank(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    cluster = simulate.load(arguments.cluster) if arguments.cluster else _measured_cluster()
    rows = []
    for size in arguments.sizes:
        elements = max(1, size // 4)
        plan, measured = _all_reduce(elements, arguments.rounds, arguments.seconds)
        if collective.rank() == 0:
            outcome = simulate.simulate(cluster, _engine(plan), [(elements, 0.0)])
            rows.append(
                {"bytes": 4 * elements, "plan": plan, "predicted": outcome.seconds}
                | {"measured": measured, "ranks": collective.size()}
            )
    if rows:
        print(_table(cluster, rows), flush=True)
    return rows


def _engine(plan: str) -> simulate.Engine:
    """An engine with one bucket that runs a plan of this name; several colours: as chosen."""
    whole = 1 << 50
    name, _, grid = plan.partition(" ")
    if plan[0].isdigit() or "+" in plan:
        name = grid = ""
    return simulate.Engine(name, grid, first_bucket_bytes=whole, bucket_bytes=whole)


def _table(cluster: simulate.Cluster, rows: Sequence[dict[str, Any]]) -> str:
    ranks = rows[0]["ranks"]
    links = [cluster.local] if cluster.hosts == 1 else cluster.rails
    in_words = " + ".join(f"{link.latency_us:.1f} us, {link.gb_per_s:.3f} GB/s" for link in links)
    lines = [
        f"{ranks} ranks on {cluster.hosts} host(s); a message {in_words}; adding "
        f"{cluster.add_gb_per_s:.1f} GB/s",
        "",
        "| size | plan | predicted (ms) | measured (ms) | error |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    errors = []
    for row in rows:
        error = row["predicted"] / row["measured"] - 1
        errors.append(abs(error))
        lines.append(
            f"| {size_in_words(row['bytes'])} | {row['plan']} | {row['predicted'] * 1e3:.3f} | "
            f"{row['measured'] * 1e3:.3f} | {error:+.0%} |"
        )
    lines += ["", f"median error: {statistics.median(errors):.0%}", ""]
    return "\n".join(lines)


# ---------------------------------------------------------------- measuring


def _all_reduce(elements: int, rounds: int, seconds: float) -> tuple[str, float]:
    """The plan that ran, and the median seconds of an all-reduce in place, on the slowest rank."""
    array = np.ones(elements, np.float32)
    before = _plans_run()
    collective.all_reduce(array, out=array)
    if not np.all(array == collective.size()):
        raise RuntimeError(f"a sum of {elements} ones is wrong: {array.min()} to {array.max()}")
    after = _plans_run()
    ran = [plan for plan in after if after[plan] > before.get(plan, 0)]
    ran.sort(key=lambda plan: plan == "direct")  # as which the ranks compare their calls, too
    array[:] = 0  # sums stay what they are
    return ran[0], _timed(lambda: collective.all_reduce(array, out=array), rounds, seconds)


def _plans_run() -> dict[str, int]:
    return dict(process_engine.current_engine().stats()["plans"])


def _timed(operation: Callable[[], Any], rounds: int, seconds: float) -> float:
    """Median over rounds of the mean time of some repeats; of the slowest rank, on all ranks."""
    begin = time.perf_counter()
    operation()
    once = _slowest(time.perf_counter() - begin)
    repeats = int(min(_MOST_REPEATS, max(2, seconds / rounds / once)))
    means = []
    for _ in range(rounds):
        collective.barrier()
        begin = time.perf_counter()
        for _ in range(repeats):
            operation()
        means.append(_slowest((time.perf_counter() - begin) / repeats))
    return statistics.median(means)


def _slowest(seconds: float) -> float:
    return float(collective.all_gather(np.array([seconds])).max())


def _measured_cluster() -> simulate.Cluster:
    """The job's hosts with the links that the engine measured when it started."""
    deadline = time.monotonic() + 60
    while not (plans := process_engine.current_engine().plans()).get("links"):
        if time.monotonic() > deadline:
            raise SystemExit("the engine has not measured its links within 60 s")
        time.sleep(0.01)
    links = files.links_as_json(plans["links"])
    hosts = planner.topology(plans["topology"])["hosts"]
    ranks = max(len(host["ranks"]) for host in hosts)
    rails = tuple(_link(rail) for rail in links["rails"]) or (_link(links["local"]),)
    return simulate.Cluster(
        name="measured",
        hosts=len(hosts),
        gpus_per_host=ranks,
        local=_link(links["local"]),
        rails=rails,
        add_gb_per_s=1e-9 / links["gamma"],
        shared_engine=True,
    )


def _link(cost: dict[str, float]) -> simulate.Link:
    return simulate.Link(cost["alpha"] * 1e6, 1e-9 / cost["beta"])


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Predicted and measured all-reduces.")
    parser.add_argument("-np", type=_numbers, default=[2, 4], metavar="A,B", help="ranks (2,4)")
    parser.add_argument("--sizes", type=_sizes, default=_sizes(_SIZES), metavar="A,B")
    parser.add_argument("--hosts", type=int, metavar="N", help="make N test hosts, a rank on each")
    parser.add_argument(
        "--rates", type=_rates, default=[], metavar="A,B", help="Mbit/s of test hosts' interfaces"
    )
    parser.add_argument("--cluster", metavar="FILE", help="costs of links, instead of measuring")
    parser.add_argument("--rounds", type=int, default=7, help="of which the median is taken")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timed work for each size")
    parser.add_argument("--json", metavar="FILE", help="rank 0 writes the rows there")
    arguments = parser.parse_args(argv)
    if arguments.hosts and not arguments.rates:
        parser.error("--hosts needs --rates")
    if arguments.json and len(arguments.np) > 1 and not arguments.hosts:
        parser.error("--json is written by one job: give one number to -np")
    return arguments


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _rates(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _sizes(text: str) -> list[int]:
    return sorted(size_argument(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
