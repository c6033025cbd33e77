"""The planner of the compiled core by way of ctypes: pure functions, no job needed.

Topologies, links and tables of plans travel as the core's texts (custom_ops/plan); what comes back
is described in custom_ops/capi/plan.h.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from tf_ddl._native import library

__all__ = ["candidates", "check", "steps", "topology", "usual_links"]


@functools.cache
def _declare() -> None:
    i32, i64, text, size = ctypes.c_int32, ctypes.c_int64, ctypes.c_char_p, ctypes.c_size_t
    answer = [ctypes.POINTER(ctypes.c_void_p), text, size]
    signatures: dict[str, list[Any]] = {
        "ddl_plan_topology": [text],
        "ddl_plan_usual_links": [i32],
        "ddl_plan_candidates": [text, text, i64, text, i64, i32],
        "ddl_plan_steps": [text, text, i32, i64, i64],
        "ddl_plan_check": [text, text, i64, i64],
    }
    library.declare(
        {name: (ctypes.c_int, argtypes + answer) for name, argtypes in signatures.items()}
    )


def _ask(name: str, *args: Any) -> Any:
    _declare()
    json = ctypes.c_void_p()
    library.call(name, *args, ctypes.byref(json))
    return library.take_json(json.value)


def topology(text: str) -> dict[str, Any]:
    """What a topology's text says: "size", "hosts", "rails", "grid".

    Raises:
      InvalidArgumentError: it is malformed or impossible; the message says where and why.
    """
    return _ask("ddl_plan_topology", text.encode())


def usual_links(rails: int) -> dict[str, Any]:
    """What is assumed of links that nobody measured.

    Returns:
      "local": [alpha in seconds, beta in seconds per byte] within a host, "gamma": seconds per
      byte of adding, "rails": the same as "local" for each of `rails` rails between hosts.
    """
    return _ask("ddl_plan_usual_links", rails)


def candidates(
    topology: str,
    links: str,
    bucket_bytes: int,
    plan: str = "",
    chunk_bytes: int = 0,
    all_pull: bool = False,
) -> dict[str, Any]:
    """The candidates for a bucket of `bucket_bytes` and the plans for buckets of any size.

    Args:
      topology: text of a topology.
      links: text of its links; "" for the usual ones.
      bucket_bytes: size of the bucket whose candidates are costed.
      plan: an algorithm, "rings" or a grid such as "grid:4x2"; "" for any.
      chunk_bytes: per lane and rank; 0 for what suits each candidate.
      all_pull: whether all ranks are on one host and read each other's memory in place.

    Returns:
      "candidates": list of {"name", "table", "seconds"}, the cheapest first; "chosen": one of the
      same kind; "by_size": list of {"up_to_bytes", "name"}; "table": the plans for all sizes.

    Raises:
      InvalidArgumentError: a wish cannot be fulfilled, or links do not fit the topology.
    """
    return _ask(
        "ddl_plan_candidates",
        topology.encode(),
        links.encode(),
        bucket_bytes,
        plan.encode(),
        chunk_bytes,
        int(all_pull),
    )


def steps(
    topology: str, table: str, rank: int, count: int, element_bytes: int = 4
) -> dict[str, Any]:
    """One rank's plan for a bucket of `count` elements: "name", "text", "lanes" with their rounds.

    Raises:
      InvalidArgumentError: the table does not fit the topology, or there is no such rank.
    """
    return _ask("ddl_plan_steps", topology.encode(), table.encode(), rank, count, element_bytes)


def check(topology: str, table: str, count: int, element_bytes: int = 4) -> dict[str, Any]:
    """Proves all ranks' plans for a bucket of `count` elements and counts what travels.

    Returns:
      "messages" and "rounds" (of the longest lane); "links": lists of sending rank, receiving
      rank, rail and elements; "hosts": by rail and host, elements sent to and received from others.

    Raises:
      InternalError: a plan is wrong; the message says which rank, lane, round and elements.
      InvalidArgumentError: the table does not fit the topology.
    """
    return _ask("ddl_plan_check", topology.encode(), table.encode(), count, element_bytes)
