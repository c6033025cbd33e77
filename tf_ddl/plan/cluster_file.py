"""Clusters as people write them down, made into the texts that the core reads.

The format is described in docs/plans.md.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tf_ddl import errors
from tf_ddl._native import planner

__all__ = ["Cluster", "read", "read_links"]


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Hosts and their links.

    Attributes:
      topology, links: texts for `_native.planner`.
      size: number of ranks.
      hosts: (name, ranks) of each.
      rails: names of the networks that reach every host; "" if there is none.
    """

    topology: str
    links: str
    size: int
    hosts: list[tuple[str, list[int]]]
    rails: list[str]


def read(topology: str, links: str | None = None) -> Cluster:
    """Reads a grid such as "4x8" (4 ranks on each of 8 hosts) or a JSON file.

    Args:
      topology: the grid, or the file's path.
      links: path of a JSON file with the links; it comes before those of the topology's file.

    Raises:
      InvalidArgumentError: what is wrong, and where.
    """
    described: Mapping[str, Any] = {}
    if re.fullmatch(r"[\dxX]+", topology):
        hosts = _hosts_of_grid(topology)
        grid = topology
    else:
        described = _Object(_load(topology), topology, ("hosts", "links", "grid"))
        hosts = _hosts(described.get("hosts"), topology)
        grid = described.get("grid", "")
        if not isinstance(grid, str):
            raise errors.InvalidArgumentError(f"{topology}: grid should be a text such as '4x8'")
    costs = _load(links) if links else described.get("links", {})
    where = links or topology
    costs = _Object(costs, f"{where}: links", ("local", "gamma", "rails", "exceptions"))
    rails = costs.get("rails", [])
    if not isinstance(rails, Sequence) or isinstance(rails, str):
        raise errors.InvalidArgumentError(f"{where}: links: rails should be a list")
    lines = ["topology 1"]
    for host in hosts:
        ranks = ",".join(map(str, host["ranks"]))
        lines.append(f"host {_word(host['name'])} {host['gpus']} {ranks}")
        for interface in host["interfaces"]:
            words = (_word(interface[key]) for key in ("name", "address", "network"))
            lines.append(f"interface {' '.join(words)}")
    without_interfaces = not any(host["interfaces"] for host in hosts)
    if without_interfaces and len(hosts) > 1:
        lines += [f"rail rail-{k}" for k in range(len(rails))]
    if grid:
        lines.append(f"grid {_word(grid)}")
    text = "\n".join(lines) + "\n"
    known = planner.topology(text)
    return Cluster(
        topology=text,
        links=_links_text(costs, known, hosts, where),
        size=known["size"],
        hosts=[(host["name"], host["ranks"]) for host in known["hosts"]],
        rails=known["rails"],
    )


def read_links(path: str) -> str:
    """The core's text of a file of links; hosts are given by their numbers.

    Raises:
      InvalidArgumentError: what is wrong, and where.
    """
    costs = _Object(_load(path), f"{path}: links", ("local", "gamma", "rails", "exceptions"))
    rails = costs.get("rails", [])
    if not isinstance(rails, Sequence) or isinstance(rails, str) or not rails:
        raise errors.InvalidArgumentError(f"{path}: links: rails should be a list of costs")
    numbers: list[Any] = [
        exception.get(key)
        for exception in costs.get("exceptions", [])
        for key in ("from", "to")
        if isinstance(exception, Mapping)
    ]
    if not all(_is_rank(number) for number in numbers):
        raise errors.InvalidArgumentError(
            f"{path}: links: exceptions should name hosts by number, 0 for rank 0's"
        )
    hosts = [
        {"name": f"host-{h}", "ranks": [h], "gpus": 0, "interfaces": []}
        for h in range(max([1, *numbers]) + 1)
    ]
    known = {"rails": [f"rail-{k}" for k in range(len(rails))], "hosts": hosts}
    return _links_text(costs, known, hosts, path)


class _Object(dict[str, Any]):
    """A JSON object whose keys are known."""

    def __init__(self, value: Any, where: str, keys: Sequence[str]) -> None:
        if not isinstance(value, Mapping):
            raise errors.InvalidArgumentError(
                f"{where}: should be an object with {', '.join(keys)}"
            )
        unknown = sorted(set(value) - set(keys))
        if unknown:
            raise errors.InvalidArgumentError(
                f"{where}: {unknown[0]!r} is not known, only {', '.join(keys)}"
            )
        super().__init__(value)


def _load(path: str) -> Any:
    try:
        return json.loads(pathlib.Path(path).read_text())
    except OSError as error:
        raise errors.InvalidArgumentError(
            f"{path} is neither a grid such as 4x8 nor a file: {error.strerror}"
        ) from error
    except ValueError as error:
        raise errors.InvalidArgumentError(f"{path} is not JSON: {error}") from error


def _hosts_of_grid(grid: str) -> list[dict[str, Any]]:
    lengths = grid.lower().split("x")
    if not all(length.isdigit() and 0 < int(length) < 10**7 for length in lengths):
        raise errors.InvalidArgumentError(f"{grid!r} is not a grid such as '4x8x8'")
    per_host, count = int(lengths[0]), math.prod(int(length) for length in lengths[1:])
    if per_host * count > 2**20:
        raise errors.InvalidArgumentError(f"{grid} makes {per_host * count} ranks, too many")
    return [
        {
            "name": f"host-{h}",
            "ranks": list(range(h * per_host, (h + 1) * per_host)),
            "gpus": 0,
            "interfaces": [],
        }
        for h in range(count)
    ]


def _hosts(described: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(described, Sequence) or isinstance(described, str) or not described:
        raise errors.InvalidArgumentError(f"{where}: hosts should be a list of hosts")
    hosts: list[dict[str, Any]] = []
    following = 0
    for h, value in enumerate(described):
        place = f"{where}: host {h}"
        host = _Object(value, place, ("name", "ranks", "interfaces", "gpus"))
        ranks = host.get("ranks", 1)
        if _is_count(ranks):
            ranks = list(range(following, following + ranks))
        if not isinstance(ranks, list) or not ranks or not all(_is_rank(rank) for rank in ranks):
            raise errors.InvalidArgumentError(
                f"{place}: ranks should be a number above 0 or a list of ranks"
            )
        following += len(ranks)
        gpus = host.get("gpus", 0)
        if not _is_rank(gpus):
            raise errors.InvalidArgumentError(f"{place}: gpus should be a number")
        interfaces = []
        for i, described_interface in enumerate(host.get("interfaces", [])):
            keys = ("name", "address", "network", "gbps")
            interface = _Object(described_interface, f"{place}: interface {i}", keys)
            network = interface.get("network")
            if not isinstance(network, str) or not network:
                raise errors.InvalidArgumentError(
                    f"{place}: interface {i}: network should be a name"
                )
            if "gbps" in interface:
                _positive(interface["gbps"], f"{place}: interface {i}: gbps")
            interfaces.append({"name": f"if{i}", "address": "", **interface})
        name = str(host.get("name", f"host-{h}"))
        hosts.append({"name": name, "ranks": ranks, "gpus": gpus, "interfaces": interfaces})
    return hosts


def _links_text(
    costs: Mapping[str, Any], known: Mapping[str, Any], hosts: list[dict[str, Any]], where: str
) -> str:
    """The links' text: what `costs` says, else what the interfaces' rates say, else the usual."""
    rails = known["rails"]
    usual = planner.usual_links(len(rails))
    local = _cost(costs.get("local", {}), usual["local"], f"{where}: links: local")
    gamma = costs.get("gamma", usual["gamma"])
    if not _is_number(gamma) or gamma < 0:
        raise errors.InvalidArgumentError(f"{where}: links: gamma should be seconds per byte")
    described = list(costs.get("rails", []))
    if described and len(described) != len(rails) and len(hosts) > 1:
        raise errors.InvalidArgumentError(
            f"{where}: links of {len(described)} rails, but there are {len(rails)}: "
            f"{', '.join(rails)}"
        )
    lines = ["links 1", f"local {local[0]!r} {local[1]!r}", f"gamma {float(gamma)!r}"]
    exceptions: dict[tuple[int, int, int], tuple[float, float]] = {}
    for rail, network in enumerate(rails):
        rates = [_rate(host, network) for host in hosts]
        alpha, beta = usual["rails"][rail]
        stated = [rate for rate in rates if rate is not None]
        if stated:
            most = collections.Counter(stated).most_common(1)[0][0]
            beta = 8e-9 / most
            for i, from_rate in enumerate(rates):
                for j, to_rate in enumerate(rates):
                    slower = min(from_rate or most, to_rate or most)
                    if i != j and slower != most:
                        exceptions[rail, i, j] = (alpha, 8e-9 / slower)
        if rail < len(described):
            alpha, beta = _cost(described[rail], (alpha, beta), f"{where}: links: rail {rail}")
        lines.append(f"rail {alpha!r} {beta!r}")
    names = [host["name"] for host in known["hosts"]]
    for i, value in enumerate(costs.get("exceptions", [])):
        place = f"{where}: links: exception {i}"
        exception = _Object(value, place, ("rail", "from", "to", "alpha", "beta", "gbps"))
        rail = _index(exception.pop("rail", 0), rails, f"{place}: rail")
        sender = _index(exception.pop("from", None), names, f"{place}: from")
        receiver = _index(exception.pop("to", None), names, f"{place}: to")
        usual_alpha, usual_beta = map(float, lines[3 + rail].split()[1:])
        exceptions[rail, sender, receiver] = _cost(exception, (usual_alpha, usual_beta), place)
    for (rail, sender, receiver), (alpha, beta) in sorted(exceptions.items()):
        lines.append(f"exception {rail} {sender} {receiver} {alpha!r} {beta!r}")
    return "\n".join(lines) + "\n"


def _rate(host: Mapping[str, Any], network: str) -> float | None:
    """Gbit/s of the host's interfaces on `network`, if said."""
    rates = [i["gbps"] for i in host["interfaces"] if i["network"] == network and "gbps" in i]
    return max(rates, default=None)


def _cost(value: Any, usual: Sequence[float], where: str) -> tuple[float, float]:
    """(alpha, beta) of {"alpha": seconds, "beta": seconds per byte, or "gbps": Gbit/s}."""
    cost = _Object(value, where, ("alpha", "beta", "gbps"))
    alpha = cost.get("alpha", usual[0])
    if not _is_number(alpha) or alpha < 0:
        raise errors.InvalidArgumentError(f"{where}: alpha should be seconds")
    if "gbps" in cost:
        if "beta" in cost:
            raise errors.InvalidArgumentError(f"{where}: beta and gbps say the same thing twice")
        return float(alpha), 8e-9 / _positive(cost["gbps"], f"{where}: gbps")
    return float(alpha), _positive(cost.get("beta", usual[1]), f"{where}: beta")


def _index(value: Any, names: Sequence[str], where: str) -> int:
    """A number from 0, or a name."""
    if isinstance(value, str) and value in names:
        return names.index(value)
    if _is_rank(value) and value < len(names):
        return value
    raise errors.InvalidArgumentError(
        f"{where}: {value!r} is neither one of {', '.join(names)} nor a number below {len(names)}"
    )


def _word(text: str) -> str:
    """As EscapeWord in custom_ops/plan/words.h."""
    escaped = re.sub(r"[\x00-\x20%\x7f]", lambda match: f"%{ord(match[0]):02X}", str(text))
    return escaped or "%"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: Any, where: str) -> float:
    if not _is_number(value) or value <= 0:
        raise errors.InvalidArgumentError(f"{where} should be a number above 0")
    return float(value)


def _is_rank(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**20


def _is_count(value: Any) -> bool:
    return _is_rank(value) and value > 0
