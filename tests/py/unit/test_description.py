"""Mistakes that show when the ranks' programs are laid side by side."""

import pytest

from tf_ddl.checks.description import Description, compare_descriptions

FACTS = {"optimizer.learning_rate": "0.1", "model.layers[0].units": "3"}
WEIGHTS = [("dense/kernel", "float32 [2,3]", "aa"), ("dense/bias", "float32 [3]", "bb")]


def _rank(facts=(), weights=WEIGHTS, foreign=()):
    return Description({**FACTS, **dict(facts)}, list(weights), list(foreign))


def _one(ranks):
    (mistake,) = compare_descriptions(ranks)
    digests = {(rank.digest(), tuple(rank.foreign)) for rank in ranks}
    assert len(digests) > 1 or ranks[0].foreign  # what is sent first does show it
    return mistake


def test_equal_ranks_have_no_mistakes():
    assert compare_descriptions([_rank()] * 3) == []
    assert _rank().digest() == _rank().digest()
    reordered = Description(dict(reversed(FACTS.items())), WEIGHTS, [])
    assert reordered.digest() == _rank().digest()


def test_automatic_names_do_not_matter():
    other = _rank(weights=[("dense_1/" + name[6:], spec, d) for name, spec, d in WEIGHTS])
    assert compare_descriptions([_rank(), other]) == []
    assert other.digest() == _rank().digest()


def test_a_description_survives_the_way():
    description = _rank(foreign=["v"])
    assert Description.from_text(description.text()) == description


def test_foreign_variables_are_named_with_their_ranks():
    mistake = _one([_rank(), _rank(foreign=["v", "w"]), _rank(foreign=["v", "w"])])
    assert "on ranks 1, 2: 'v', 'w'" in mistake and "strategy.scope()" in mistake
    assert "on every rank: 'v'" in _one([_rank(foreign=["v"])] * 2)


def test_facts_that_differ_are_named_with_values_and_ranks():
    other = {"optimizer.learning_rate": "0.2"}
    mistake = _one([_rank(), _rank(other), _rank(other)])
    assert "optimizer.learning_rate is 0.1 on rank 0 and 0.2 on ranks 1, 2" in mistake
    assert "units" not in mistake


def test_a_fact_that_one_rank_lacks():
    mistake = _one([_rank(), _rank({"loss": "mse"})])
    assert "loss is missing on rank 0 and mse on rank 1" in mistake


def test_many_facts_are_counted():
    facts = {f"fact {i}": "x" for i in range(7)}
    assert "; and 2 more" in _one([_rank(), _rank(facts)])


@pytest.mark.parametrize(
    ("weights", "texts"),
    [
        ([WEIGHTS[0], ("dense/bias", "float32 [4]", "bb")], ("number 1", "[3]", "[4]", "rank 1")),
        (WEIGHTS[:1], ("number 1", "'dense/bias' float32 [3] on rank 0", "missing on rank 1")),
        ([*WEIGHTS, ("more", "int32 []", "cc")], ("number 2", "'more' int32 []")),
    ],
    ids=["shape", "fewer", "more"],
)
def test_models_that_differ(weights, texts):
    mistake = _one([_rank(), _rank(weights=weights)])
    assert all(text in mistake for text in texts), mistake


def test_weights_that_differ_are_named_with_ranks():
    changed = [WEIGHTS[0], ("dense/bias", "float32 [3]", "xx")]
    both = [("dense/kernel", "float32 [2,3]", "yy"), changed[1]]
    mistake = _one([_rank(), _rank(), _rank(weights=changed)])
    assert "between rank 0 and rank 2: 'dense/bias'." in mistake and "kernel" not in mistake
    mistakes = compare_descriptions([_rank(), _rank(weights=both), _rank(weights=changed)])
    assert len(mistakes) == 2
    assert "between rank 0 and rank 1: 'dense/kernel'" in mistakes[0]
    assert "between rank 0 and ranks 1, 2: 'dense/bias'" in mistakes[1]
