"""The split of a dataset among ranks; no processes are needed for that."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
from tf_ddl.data import sharding  # noqa: E402


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 64])
def test_slices_are_balanced_and_cover_all_rows(rows, size):
    parts = [sharding.slice_of_rows(rows, rank, size) for rank in range(size)]
    assert sum(count for _, count in parts) == rows
    assert max(count for _, count in parts) - min(count for _, count in parts) <= 1
    position = 0
    for first, count in parts:
        assert first == position
        position += count
    for rank, (first, count) in enumerate(parts):
        traced = sharding.slice_of_rows(tf.constant(rows, tf.int64), rank, size)
        assert (int(traced[0]), int(traced[1])) == (first, count)


@pytest.mark.parametrize("drop_remainder", [False, True])
def test_parts_joined_in_rank_order_are_the_batches(drop_remainder):
    rows = np.arange(23)
    source = tf.data.Dataset.from_tensor_slices(
        {"x": rows, "pair": (rows * 2.0, rows.astype("S"))}
    ).batch(10, drop_remainder=drop_remainder)
    parts = [sharding.split(source, rank, 3) for rank in range(3)]
    assert all(part.cardinality() == source.cardinality() for part in parts)
    for batch, *shares in zip(source, *parts, strict=True):
        joined = tf.nest.map_structure(lambda *leaves: tf.concat(leaves, 0), *shares)
        tf.nest.map_structure(np.testing.assert_array_equal, batch, joined)


def test_structures_keep_their_type():
    for element in (
        tf.zeros([4]),
        (tf.zeros([4]),),
        (tf.zeros([4, 2]), tf.zeros([4]), tf.zeros([])),
        {"b": tf.zeros([4]), "a": (tf.zeros([4]), None)},
    ):
        source = tf.data.Dataset.from_tensors(element)
        part = sharding.split(source, 1, 2)
        tf.nest.assert_same_structure(source.element_spec, part.element_spec)
        (got,) = list(part)
        shapes = [leaf.shape.as_list()[:1] for leaf in tf.nest.flatten(got) if leaf is not None]
        assert all(shape in ([2], []) for shape in shapes)


def test_ragged_and_sparse_rows():
    ragged = tf.ragged.constant([[1], [], [2, 3], [4], [5, 6]])
    dense = np.array([[0, 1], [2, 0], [0, 0], [0, 3], [4, 5]])
    source = tf.data.Dataset.from_tensors((ragged, tf.sparse.from_dense(dense)))
    parts = [next(iter(sharding.split(source, rank, 2))) for rank in range(2)]
    assert [part[0].to_list() for part in parts] == [[[1], [], [2, 3]], [[4], [5, 6]]]
    joined = np.concatenate([tf.sparse.to_dense(part[1]) for part in parts])
    np.testing.assert_array_equal(joined, dense)


def test_a_dataset_is_split_once():
    source = tf.data.Dataset.range(8).batch(4)
    for size in (1, 2):
        part = sharding.split(source, 0, size)
        assert sharding.is_distributed(part)
        assert sharding.split(part, 0, size) is part
        derived = tf.data.Dataset.zip((part.map(lambda x: x + 1).prefetch(1), part)).take(1)
        assert sharding.split(derived, 0, size) is derived
    assert not sharding.is_distributed(source)
    own = sharding.from_function(lambda context: source, 0, 2)
    assert sharding.split(own, 0, 2) is own and not sharding.is_distributed(source)


@pytest.mark.parametrize("wrong", [[1, 2], np.zeros(3), None])
def test_what_is_no_dataset_is_refused(wrong):
    with pytest.raises(TypeError, match=r"tf\.data\.Dataset"):
        sharding.split(wrong, 0, 2)
    with pytest.raises(TypeError, match=r"tf\.data\.Dataset"):
        sharding.from_function(lambda context: wrong, 0, 2)


@pytest.mark.parametrize("rows", [2, 3, 4, 9])
def test_a_rank_without_rows_is_given_one(rows):
    words = tf.ragged.constant([["a"] * (1 + i) for i in range(rows)])
    cells = tf.sparse.from_dense(tf.eye(rows))
    numbers = tf.range(1, rows + 1)
    source = tf.data.Dataset.from_tensor_slices((numbers, words, cells)).batch(8)
    with sharding.in_shares():
        parts = [sharding.split(source, rank, 3) for rank in range(3)]
    for batch, *shares in zip(source, *parts, strict=True):
        counts = [int(share.rows) for share in shares]
        assert sum(counts) == len(batch[0]) and counts == sorted(counts, reverse=True)
        for share, count in zip(shares, counts):
            assert isinstance(share, sharding.Share) and share.rows_of_all == len(batch[0])
            x, ragged, sparse = share.data
            assert len(x) == ragged.shape[0] == sparse.shape[0] == max(count, 1)
            if not count:
                assert x[0] == batch[0][0]
                np.testing.assert_array_equal(ragged[0], batch[1][0])
                np.testing.assert_array_equal(
                    tf.sparse.to_dense(sparse)[0], tf.sparse.to_dense(batch[2])[0]
                )
        own = tf.concat([share.data[0][: share.rows] for share in shares], axis=0)
        np.testing.assert_array_equal(own, batch[0])


def test_where_all_ranks_have_rows_nothing_is_added():
    source = tf.data.Dataset.range(12).batch(6, drop_remainder=True)
    with sharding.in_shares():
        part = sharding.split(source, 1, 3)
    assert [list(share.data.numpy()) for share in part] == [[2, 3], [8, 9]]
    assert [(int(share.rows), int(share.rows_of_all)) for share in part] == [(2, 6), (2, 6)]
    assert part.element_spec.data.shape == [2]
