"""Runs of ranx and ir_measures, in and out, and measured by both."""

from __future__ import annotations

import numpy as np
import pytest
from collection import QUERY, TEXTS

from nearsort import Hit, InvalidInput, Reranker
from nearsort.integrations import runs

CORPUS = {f"d{row}": text for row, text in enumerate(TEXTS)}
QUERIES = {"q1": QUERY, "q2": "how to bake bread", "q3": "unasked"}
FIRST = {"q1": {"d0": 4.0, "d3": 3.0, "d1": 2.0, "d2": 1.0}, "q2": {"d0": 2.5, "d2": 1.5}}
QRELS = {"q1": {"d1": 1}, "q2": {"d2": 1}}


def test_a_run_is_reranked_with_the_first_stages_scores(reranker: Reranker) -> None:
    run = runs.rerank(reranker, QUERIES, CORPUS, FIRST)
    assert list(run) == ["q1", "q2"]
    ids = ["d0", "d3", "d1", "d2"]
    hits = reranker.rerank(QUERY, [CORPUS[name] for name in ids], first_stage=[4.0, 3.0, 2.0, 1.0])
    assert run["q1"] == {ids[hit.index]: hit.score for hit in hits}
    assert next(iter(run["q2"])) == "d2"


def test_depth_cuts_the_first_stage(reranker: Reranker) -> None:
    run = runs.rerank(reranker, QUERIES, CORPUS, FIRST, depth=2)
    assert set(run["q1"]) == {"d0", "d3"}
    assert runs.rerank(reranker, QUERIES, CORPUS, {"q1": {}}) == {"q1": {}}


def test_what_has_no_text_is_named(reranker: Reranker) -> None:
    with pytest.raises(InvalidInput, match="the run names the document 'd9', which has no text"):
        runs.rerank(reranker, QUERIES, CORPUS, {"q1": {"d9": 1.0}})
    with pytest.raises(InvalidInput, match="the run names the query 'q9', which has no text"):
        runs.rerank(reranker, QUERIES, CORPUS, {"q9": {"d1": 1.0}})


def test_equal_scores_fall_and_an_id_keeps_its_best_place(reranker: Reranker) -> None:
    texts = [TEXTS[1], TEXTS[0], TEXTS[1], TEXTS[1]]
    hits: list[Hit] = reranker.rerank(QUERY, texts)
    assert [hit.index for hit in hits] == [0, 2, 3, 1]
    assert hits[0].score == hits[2].score
    scores = runs.of_hits(hits, ["z", "b", "y", "x"])
    assert list(scores) == ["z", "y", "x", "b"]
    values = np.array(list(scores.values()), np.float32)
    assert (np.diff(values) < 0).all()
    assert values[1] == np.nextafter(values[0], np.float32(-np.inf))
    assert list(runs.of_hits(hits, ["z", "b", "z", "x"])) == ["z", "x", "b"]


def test_what_has_no_score_comes_last() -> None:
    nothing = float("nan")
    hits = [Hit(0, 0.5), Hit(1, nothing, why="the service left it out"), Hit(2, nothing, why="the service left it out")]
    assert runs.of_hits(hits, ["a", "b", "c"]) == {"a": 0.5, "b": -0.5, "c": -1.5}
    assert runs.of_hits(hits[1:], ["a", "b", "c"]) == {"b": 0.0, "c": -1.0}


def test_ranx(reranker: Reranker) -> None:
    ranx = pytest.importorskip("ranx")
    first = runs.from_ranx(ranx.Run.from_dict(FIRST))
    assert first == FIRST
    run = runs.rerank(reranker, QUERIES, CORPUS, first)
    theirs = runs.to_ranx(run | {"q3": {}}, "nearsort")
    assert theirs.name == "nearsort"
    assert runs.from_ranx(theirs) == run
    qrels = ranx.Qrels.from_dict(QRELS)
    assert ranx.evaluate(qrels, theirs, "mrr") == 1.0
    assert ranx.evaluate(qrels, ranx.Run.from_dict(FIRST), "mrr") < 0.5


def test_ir_measures(reranker: Reranker) -> None:
    ir_measures = pytest.importorskip("ir_measures")
    pandas = pytest.importorskip("pandas")
    documents = [
        ir_measures.ScoredDoc(query, name, score) for query, all_ in FIRST.items() for name, score in all_.items()
    ]
    frame = pandas.DataFrame(documents)
    assert runs.from_ir_measures(documents) == runs.from_ir_measures(frame) == runs.from_ir_measures(FIRST) == FIRST
    run = runs.rerank(reranker, QUERIES, CORPUS, FIRST)
    theirs = runs.to_ir_measures(run)
    assert runs.from_ir_measures(iter(theirs)) == run
    measure = ir_measures.RR
    assert ir_measures.calc_aggregate([measure], QRELS, theirs)[measure] == 1.0
    assert ir_measures.calc_aggregate([measure], QRELS, documents)[measure] < 0.5


def test_ties_keep_our_order_in_both(reranker: Reranker) -> None:
    """Without the step down, each library breaks ties in its own way, by id or at random."""
    ranx, ir_measures = pytest.importorskip("ranx"), pytest.importorskip("ir_measures")
    corpus = {"a": TEXTS[1], "z": TEXTS[1], "m": TEXTS[1]}
    for ids in (["a", "z", "m"], ["z", "m", "a"], ["m", "a", "z"]):
        run = {"q1": runs.of_hits(reranker.rerank(QUERY, [corpus[name] for name in ids]), ids)}
        qrels = {"q1": {ids[0]: 1}}
        assert ranx.evaluate(ranx.Qrels.from_dict(qrels), runs.to_ranx(run), "mrr") == 1.0
        assert ir_measures.calc_aggregate([ir_measures.RR], qrels, runs.to_ir_measures(run))[ir_measures.RR] == 1.0
