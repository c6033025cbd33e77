"""A cluster in a few lines: hosts, GPUs per host, what joins them."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

__all__ = ["Cluster", "Link", "load", "parse_link"]


@dataclasses.dataclass(frozen=True)
class Link:
    """A message of n bytes takes `latency_us` microseconds and n bytes at `gb_per_s`.

    Attributes:
      latency_us: microseconds.
      gb_per_s: 10^9 bytes per second, in each direction.
    """

    latency_us: float
    gb_per_s: float

    def __post_init__(self) -> None:
        _positive("a link's gb_per_s", self.gb_per_s)
        if not (math.isfinite(self.latency_us) and self.latency_us >= 0):
            raise ValueError(f"a link's latency_us is {self.latency_us!r}, it cannot be negative")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Hosts that are all alike.

    Attributes:
      name: for people.
      hosts: how many there are.
      gpus_per_host: ranks on each; where workers are CPUs, workers per host.
      local: between two ranks of a host, while all of them move data.
      rails: networks between hosts; every host has an interface on each.
      add_gb_per_s: bytes of one addend per second that a rank adds up (10^9).
      shared_engine: whether one core of a rank copies and adds in turn (CPU workers), or the two
        go on at the same time (GPUs).
      max_lanes: chunks of a bucket under way at a time, as in the communicator.
    """

    name: str
    hosts: int
    gpus_per_host: int
    local: Link
    rails: tuple[Link, ...]
    add_gb_per_s: float
    shared_engine: bool = False
    max_lanes: int = 4

    def __post_init__(self) -> None:
        for name in ("hosts", "gpus_per_host", "max_lanes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}, it must be a whole number from 1 on")
        _positive("add_gb_per_s", self.add_gb_per_s)
        if not self.rails:
            raise ValueError("a cluster needs a rail: the network between its hosts")

    @property
    def gpus(self) -> int:
        """Ranks in all."""
        return self.hosts * self.gpus_per_host

    def of_gpus(self, gpus: int) -> Cluster:
        """A cluster of the same kind with hosts for `gpus` GPUs.

        Raises:
          ValueError: `gpus` neither fits on one host nor fills hosts.
        """
        if gpus > self.gpus_per_host and gpus % self.gpus_per_host:
            raise ValueError(
                f"{gpus} GPUs do not fill hosts of {self.gpus_per_host}: "
                f"take a multiple, or at most {self.gpus_per_host}"
            )
        per_host = min(gpus, self.gpus_per_host)
        return dataclasses.replace(self, hosts=gpus // per_host, gpus_per_host=per_host)


def load(path: str | pathlib.Path) -> Cluster:
    """Reads a cluster from a JSON file with the fields of `Cluster`.

    A link is {"latency_us": 10, "gb_per_s": 12.5} or {"latency_us": 10, "gbit_per_s": 100};
    `name`, `shared_engine` and `max_lanes` may be left out.

    Raises:
      ValueError: the file is no such description; says what is wrong.
      OSError: it cannot be read.
    """
    path = pathlib.Path(path)
    try:
        values = json.loads(path.read_text())
        if not isinstance(values, dict):
            raise ValueError("it holds no JSON object")
        return _from_json({"name": path.stem, **values})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _from_json(values: Mapping[str, Any]) -> Cluster:
    known = {field.name: field for field in dataclasses.fields(Cluster)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    needed = [n for n, field in known.items() if field.default is dataclasses.MISSING]
    missing = [name for name in needed if name not in values]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    if not isinstance(values["rails"], list):
        raise ValueError("rails is no list of links")
    converted = dict(values)
    converted["local"] = _link(values["local"])
    converted["rails"] = tuple(_link(rail) for rail in values["rails"])
    return Cluster(**converted)


def _link(values: Any) -> Link:
    if not isinstance(values, dict) or set(values) not in (
        {"latency_us", "gb_per_s"},
        {"latency_us", "gbit_per_s"},
    ):
        raise ValueError(f"{values!r} is no link: give latency_us, and gb_per_s or gbit_per_s")
    numbers = {name: _number(name, value) for name, value in values.items()}
    return Link(numbers["latency_us"], numbers.get("gb_per_s", numbers.get("gbit_per_s", 0) / 8))


def parse_link(text: str) -> Link:
    """A link of the command line: "10us,12.5GB/s" or "10us,100Gbit/s".

    Raises:
      ValueError: it is no link.
    """
    latency, comma, bandwidth = (part.strip() for part in text.partition(","))
    for unit, scale in (("GB/s", 1.0), ("Gbit/s", 1 / 8)):
        if comma and latency.endswith("us") and bandwidth.endswith(unit):
            try:
                return Link(float(latency[:-2]), float(bandwidth[: -len(unit)]) * scale)
            except ValueError:
                break
    raise ValueError(f'{text!r} is no link like "10us,12.5GB/s" or "10us,100Gbit/s"')


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is {value!r}, no number")
    return float(value)


def _positive(name: str, value: Any) -> None:
    if not (math.isfinite(_number(name, value)) and value > 0):
        raise ValueError(f"{name} is {value!r}, it must be above 0")
