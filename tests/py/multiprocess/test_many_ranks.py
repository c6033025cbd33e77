"""Many more ranks than cores: they train together, and agree bit for bit."""

import pytest
from harness import run_workers


def train():
    import hashlib

    import numpy as np

    from tf_ddl import collective

    collective.init()
    rank, world = collective.rank(), collective.size()
    random = np.random.default_rng(7)
    truth = random.normal(size=50).astype(np.float32)
    rows = random.normal(size=(64 * world, 50)).astype(np.float32)
    labels = (rows @ truth > 0).astype(np.float32)
    mine = slice(rank * 64, (rank + 1) * 64)  # this rank's part of the data
    weights = np.zeros(50, np.float32)
    for _ in range(30):
        predicted = 1 / (1 + np.exp(-rows[mine] @ weights))
        gradient = rows[mine].T @ (predicted - labels[mine]) / 64
        weights -= collective.all_reduce(gradient, op="mean")
    assert ((rows @ weights > 0) == labels).mean() > 0.95
    digest = hashlib.sha256(weights.tobytes()).digest()
    digests = collective.all_gather(np.frombuffer(digest, np.uint8))
    assert digests.tobytes() == digest * world
    collective.shutdown()


@pytest.mark.timeout(200)
def test_32_ranks_train_and_agree():
    env = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DDL_JOIN_TIMEOUT": "120"}
    run_workers(train, 32, env=env, timeout=180)
