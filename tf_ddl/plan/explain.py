"""Why a running job uses the plans that it uses, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_ddl._native import planner

from . import tables

__all__ = ["explain"]


def explain(state: Mapping[str, Any], bucket_bytes: int) -> str:
    """The topology, the links, the candidates for a bucket and what was measured.

    Args:
      state: `Engine.plans()`; "why_by_host": why gradients on GPUs are not reduced there.
      bucket_bytes: size of the bucket whose candidates are shown.

    Returns:
      Several lines. Predicted times come from the model of the links, measured ones are means of
      this rank's buckets since the start.
    """
    if not state:
        return "a world of one: nothing travels"
    state = {"device": "", "why_by_host": "", **state}
    topology = planner.topology(state["topology"])
    answer = planner.candidates(
        state["topology"],
        state["links"],
        bucket_bytes,
        state["plan"],
        state["chunk_bytes"],
        bool(state["all_pull"]),
    )
    hosts, rails = topology["hosts"], topology["rails"]
    lines = [tables.summary(hosts, topology["size"], rails), "", "links:", ""]
    lines += tables.links(state["links"], hosts, rails)
    lines += ["", f"candidates for a bucket of {tables.size(bucket_bytes)}, predicted:", ""]
    lines += tables.candidates(answer, bucket_bytes, topology["size"])
    if state["all_pull"] and not state["plan"]:
        lines += [
            "",
            "    (ranks that read each other's memory begin by a fixed rule, not by these)",
        ]
    lines += ["", "plans in use, by size of the bucket:", ""]
    lines += tables.by_size(state["by_size"])
    if state["device"]:
        lines += ["", "buckets in GPU memory: by plans of their own ('gpu ...' below), of", ""]
        lines += [f"    {state['device']}"]
    if state["why_by_host"]:
        lines += ["", "gradients on GPUs go by way of host memory:", ""]
        lines += [f"    {state['why_by_host']}"]
    if state["buckets"]:
        lines += ["", "measured on this rank:", ""]
        lines += tables.measured(state["buckets"])
    if state["news"]:
        lines += ["", "while training:", "", *(f"    {text}" for text in state["news"])]
    return "\n".join(lines) + "\n"
