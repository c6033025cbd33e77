"""What `explain` adds for GPUs."""

from tf_ddl._native import planner
from tf_ddl.plan import explain


def _state(**more):
    topology = "topology 1\nhost a 0 0-1\nrail %\n"
    links = "links 1\nlocal 5e-06 1.25e-10\ngamma 1e-10\nrail 3e-05 8.5e-10\n"
    state = {
        "topology": topology,
        "links": links,
        "plan": "",
        "chunk_bytes": 0,
        "all_pull": 0,
        "by_size": [],
        "buckets": [{"plan": "gpu flat", "bytes": 4096, "count": 3, "seconds": 0.001}],
        "news": [],
    }
    assert planner.topology(topology)["size"] == 2
    return {**state, **more}


def test_what_reduces_gpu_memory_is_shown():
    text = explain.explain(_state(device="NCCL 2.28.3, GPU 0 (NVIDIA H100)"), 1 << 20)
    assert "NCCL 2.28.3, GPU 0 (NVIDIA H100)" in text and "gpu flat" in text


def test_why_nothing_does_is_shown():
    reason = "rank 1 (host-b): no libnccl was found"
    assert reason in explain.explain(_state(why_by_host=reason), 1 << 20)


def test_without_gpus_nothing_is_said_of_them():
    assert "GPU" not in explain.explain(_state(buckets=[]), 1 << 20)
