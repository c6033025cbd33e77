"""All-reduces between test hosts whose networks have known rates: how near to the bound they come.

    python benchmarks/rails.py                                   # as root; about three minutes
    python benchmarks/rails.py --cases two-rails --gloo ~/peers/torch/bin/python

Hosts are network namespaces of this machine (benchmarks/hosts.sh). The bound is what the interfaces
allow at best: on p hosts every one must send 2(p-1)/p of the bytes, over all of its interfaces at
once. Rates include the headers of Ethernet, IP and TCP, so that 95.6% of the bound is all that TCP
can do with frames of 1,500 bytes. Every result is verified.

Cases:
  two-rails    4 hosts, interfaces of 200 and 200 Mbit/s
  uneven       4 hosts, interfaces of 400 and 100 Mbit/s
  one-rail     4 hosts, one interface of 200 Mbit/s
  shared       2 hosts of 2 ranks each, one interface of 200 Mbit/s
  slowed       4 hosts, 200 and 200 Mbit/s; after some steps one interface falls to 20 Mbit/s
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

_HOSTS_SH = str(pathlib.Path(__file__).resolve().parent / "hosts.sh")
_TIMEOUT = 240.0  # seconds for one job


@dataclasses.dataclass(frozen=True)
class Case:
    """A set of hosts and what runs on them."""

    name: str
    ranks: tuple[int, ...]  # by rank: its host
    rates: tuple[int, ...]  # Mbit/s, by rail
    slowed: bool = False

    @property
    def hosts(self) -> int:
        return max(self.ranks) + 1

    def bound(self, count: int) -> float:
        """Seconds that the interfaces need at best for `count` bytes a rank."""
        return 2 * (self.hosts - 1) / self.hosts * count * 8e-6 / sum(self.rates)


CASES = (
    Case("two-rails", (0, 1, 2, 3), (200, 200)),
    Case("uneven", (0, 1, 2, 3), (400, 100)),
    Case("one-rail", (0, 1, 2, 3), (200,)),
    Case("shared", (0, 0, 1, 1), (200,)),
    Case("slowed", (0, 1, 2, 3), (200, 200), slowed=True),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the cases and prints a table; as a worker, one rank of a case."""
    arguments = _parse(argv)
    if arguments.worker:
        (_gloo_worker if arguments.worker == "gloo" else _worker)(arguments)
        return 0
    chosen = [case for case in CASES if not arguments.cases or case.name in arguments.cases]
    rows = []
    print(f"{arguments.bytes / 1e6:g} MB float32, median of {arguments.steps} steps")
    print(f"{'case':>10}  {'who':>8}  {'median':>9}  {'bound':>9}  of bound  what")
    for case in chosen:
        contenders = [("tf_ddl", sys.executable)]
        if arguments.gloo and not case.slowed:
            contenders.append(("gloo", arguments.gloo))
        for who, python in contenders:
            row = _run(case, who, python, arguments)
            rows.append(row)
            print(
                f"{case.name:>10}  {who:>8}  {row['median'] * 1e3:>6.0f} ms  "
                f"{row['bound'] * 1e3:>6.0f} ms  {row['bound'] / row['median']:>8.1%}  "
                f"{row['what']}",
                flush=True,
            )
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _run(case: Case, who: str, python: str, arguments: argparse.Namespace) -> dict[str, Any]:
    name = "b" + secrets.token_hex(2)
    rates = ",".join(map(str, case.rates))
    _hosts("up", name, "--hosts", str(case.hosts), "--rates", rates)
    workers: list[subprocess.Popen[str]] = []
    try:
        environ = dict(
            os.environ,
            DDL_SIZE=str(len(case.ranks)),
            DDL_RENDEZVOUS="10.1.0.1:29500",
            DDL_SECRET=secrets.token_hex(16),
            GLOO_SOCKET_IFNAME="eth0",
        )
        count = arguments.bytes // 4 if case.slowed else arguments.bytes  # its slow steps are long
        options = [f"--bytes={count}", f"--steps={arguments.steps}", f"--worker={who}"]
        if case.slowed:
            options.append(f"--slow-after={arguments.slow_after}")
        for rank, host in enumerate(case.ranks):
            command = ["bash", _HOSTS_SH, "run", name, str(host), "--", python, __file__, *options]
            workers.append(
                subprocess.Popen(
                    command,
                    env=dict(environ, DDL_RANK=str(rank)),
                    stdout=subprocess.PIPE,
                    stdin=subprocess.PIPE,
                    text=True,
                )
            )
        if case.slowed:
            assert workers[0].stdout is not None
            workers[0].stdout.readline()  # rank 0 says that it is time
            _hosts("rate", name, "1", "eth0", "20")
            print("go", file=workers[0].stdin, flush=True)
        outputs = [worker.communicate(timeout=_TIMEOUT)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        _hosts("down", name)
    if any(worker.returncode for worker in workers):
        raise SystemExit(f"{case.name}: {who} failed")
    answer = json.loads(outputs[0].splitlines()[-1])
    what = answer["what"]
    seconds = answer["seconds"]
    if case.slowed:
        after = seconds[arguments.slow_after :]
        healthy = statistics.median(seconds[: arguments.slow_after])
        last = statistics.median(after[-5:])
        # The worst that planning around can leave: the other rail alone.
        well = next((i for i, s in enumerate(after) if s < 3 * healthy), len(after))
        what = (
            f"before {healthy * 1e3:.0f} ms, slowed {max(after) * 1e3:.0f} ms, "
            f"well again after {well} steps; {what}"
        )
        return {
            "case": case.name,
            "who": who,
            "median": last,
            "bound": case.bound(count),
            "what": what,
            "seconds": seconds,
        }
    return {
        "case": case.name,
        "who": who,
        "median": statistics.median(seconds[len(seconds) // 2 :]),
        "bound": case.bound(count),
        "what": what,
        "seconds": seconds,
    }


def _hosts(*arguments: str) -> None:
    subprocess.run(["bash", _HOSTS_SH, *arguments], check=True, timeout=60)


def _worker(arguments: argparse.Namespace) -> None:
    import numpy as np

    from tf_ddl import collective
    from tf_ddl._native import process_engine

    collective.init()
    rank, size = collective.rank(), collective.size()
    data = np.empty(arguments.bytes // 4, np.float32)
    seconds = []
    for step in range(arguments.steps + arguments.slow_after):
        if arguments.slow_after and step == arguments.slow_after and rank == 0:
            print("slow me down", flush=True)
            sys.stdin.readline()
        data[:] = rank + 1
        collective.barrier()
        begin = time.perf_counter()
        collective.all_reduce(data, out=data)
        seconds.append(time.perf_counter() - begin)
        if data.min() != data.max() or data[0] != size * (size + 1) / 2:
            raise SystemExit(f"rank {rank}: wrong sum in step {step}")
    engine = process_engine.current_engine()
    sent = sum(
        socket["bytes_written"] for peer in engine.stats()["peers"] for socket in peer["sockets"]
    )
    plans = engine.plans()
    used = next(e["name"] for e in plans["by_size"] if e["up_to_bytes"] >= arguments.bytes)
    what = f"{sent / len(seconds) / 1e6:.1f} MB sent a step; {used}"
    news = [text for text in plans["news"] if " is slow" in text or " carries " in text]
    if news:
        what += "; " + "; ".join(news)
    if rank == 0:
        print(json.dumps({"seconds": seconds, "what": what}))
    collective.shutdown()


def _gloo_worker(arguments: argparse.Namespace) -> None:
    import torch
    import torch.distributed as dist

    rank, size = int(os.environ["DDL_RANK"]), int(os.environ["DDL_SIZE"])
    dist.init_process_group("gloo", init_method="tcp://10.1.0.1:29501", rank=rank, world_size=size)
    data = torch.empty(arguments.bytes // 4)
    seconds = []
    for _ in range(min(arguments.steps, 6)):
        data.fill_(rank + 1)
        dist.barrier()
        begin = time.perf_counter()
        dist.all_reduce(data)
        seconds.append(time.perf_counter() - begin)
        if data.min() != data.max() or data[0] != size * (size + 1) / 2:
            raise SystemExit(f"rank {rank}: wrong sum")
    if rank == 0:
        print(json.dumps({"seconds": seconds, "what": "one interface"}))
    dist.destroy_process_group()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=lambda text: text.split(","), default=[])
    parser.add_argument("--bytes", type=int, default=20_000_000)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--slow-after", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--gloo", metavar="PYTHON", help="an interpreter with torch, to compare")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--worker", choices=("tf_ddl", "gloo"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if not arguments.worker:
        arguments.slow_after = arguments.steps
    return arguments


if __name__ == "__main__":
    sys.exit(main())
