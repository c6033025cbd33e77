"""The files that `Options.topology` and `Options.links` name: what a job reads and writes there."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import tempfile
from typing import Any

from tf_ddl import errors
from tf_ddl._native.engine import NetworkDescription
from tf_ddl.options import Options

from . import cluster_file

__all__ = ["describe", "links_as_json", "save_links"]


def describe(options: Options) -> NetworkDescription:
    """What the files say, as the core reads it.

    Raises:
      InvalidArgumentError: a file cannot be read or makes no sense; says where and why.
    """
    grid = topology = links = ""
    if re.fullmatch(r"[\dxX]+", options.topology):
        grid = options.topology
    elif options.topology:
        topology = cluster_file.read(options.topology).topology
    if options.links and pathlib.Path(options.links).exists():
        links = cluster_file.read_links(options.links)
    return NetworkDescription(grid, topology, links)


def save_links(path: str, links: str) -> None:
    """Writes links (a core's text) as JSON, whole or not at all.

    Raises:
      InvalidArgumentError: the file cannot be written.
    """
    target = pathlib.Path(path)
    try:
        with tempfile.NamedTemporaryFile("w", dir=target.parent, delete=False) as file:
            json.dump(links_as_json(links), file, indent=1)
            file.write("\n")
        os.replace(file.name, target)
    except OSError as error:
        with contextlib.suppress(OSError, NameError):
            os.unlink(file.name)
        raise errors.InvalidArgumentError(
            f"links cannot be written to {path}: {error.strerror}"
        ) from error


def links_as_json(links: str) -> dict[str, Any]:
    """A core's text of links in the form of docs/plans.md."""
    described: dict[str, Any] = {"rails": [], "exceptions": []}
    for line in links.splitlines():
        kind, *words = line.split()
        if kind == "gamma":
            described["gamma"] = float(words[0])
        elif kind in ("local", "rail", "exception"):
            alpha, beta = map(float, words[-2:])
            cost = {"alpha": alpha, "beta": beta}
            if kind == "local":
                described["local"] = cost
            elif kind == "rail":
                described["rails"].append(cost)
            else:
                rail, sender, receiver = map(int, words[:3])
                described["exceptions"].append(
                    {"rail": rail, "from": sender, "to": receiver, **cost}
                )
    return described
