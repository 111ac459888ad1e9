"""Evaluations, comparisons and diagnoses, of mappings and of files."""

import json

import pytest

from nearsort import InvalidInput, compare, diagnose, evaluate

QUERIES = {"q1": "Where is the Eiffel Tower?", "q2": "museum in Paris"}
CORPUS = {"d1": "The Louvre is a museum.", "d2": "The Eiffel Tower stands in Paris.", "d3": "Paris is in France."}
RUN = {"q1": {"d3": 3.0, "d2": 2.0, "d1": 1.0}, "q2": {"d3": 3.0, "d1": 2.0}}
QRELS = {"q1": {"d2": 1}, "q2": {"d1": 1}}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "queries.jsonl").write_text(
        "".join(json.dumps({"id": id, "text": text}) + "\n" for id, text in QUERIES.items())
    )
    (tmp_path / "corpus.jsonl").write_text(
        "".join(json.dumps({"id": id, "text": text}) + "\n" for id, text in CORPUS.items())
    )
    lines = [(q, d, s) for q, documents in RUN.items() for d, s in documents.items()]
    (tmp_path / "run.trec").write_text("".join(f"{q} Q0 {d} 1 {s} bm25\n" for q, d, s in lines))
    (tmp_path / "qrels.tsv").write_text("".join(f"{q}\t{d}\t{g}\n" for q, ds in QRELS.items() for d, g in ds.items()))
    return tmp_path


def test_an_evaluation_of_mappings_is_that_of_files(files):
    found = evaluate(QRELS, RUN, ["RR@10", "P@1"])
    assert found.mean("RR@10") == 0.5 and found.mean("P@1") == 0.0
    assert found.per_query("RR@10") == {"q1": 0.5, "q2": 0.5}
    of_files = evaluate(files / "qrels.tsv", files / "run.trec", "RR@10,P@1")
    assert of_files.data["runs"][0]["measures"] == found.data["runs"][0]["measures"]
    assert "RR@10=0.5000" in repr(found) and "<table>" in found._repr_html_()


def test_several_runs_are_compared_with_the_first():
    better = {"q1": {"d2": 1.0}, "q2": {"d1": 1.0}}
    found = evaluate(QRELS, {"bm25": RUN, "reranked": better}, "RR@10,NumRel")
    assert found.runs == ["bm25", "reranked"] and found.mean("RR@10", "reranked") == 1.0
    assert "+0.5000" in found._repr_html_()


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(InvalidInput, match="nDGC"):
        evaluate(QRELS, RUN, "nDGC@10")
    with pytest.raises(InvalidInput, match="the value of 'd1' is str"):
        evaluate(QRELS, {"q1": {"d1": "high"}})
    with pytest.raises(InvalidInput, match="the query 'q1' are no mapping"):
        evaluate({"q1": ["d1"]}, RUN)
    with pytest.raises(InvalidInput, match="quer"):
        evaluate({"other": {"d1": 1}}, RUN)


def test_a_comparison_has_quality_and_cost(reranker, files):
    systems = {"hybrid": reranker, "cosine": reranker.with_options(scoring="cosine")}
    found = compare(QUERIES, CORPUS, RUN, systems, qrels=QRELS, runs={"same": RUN}, measures="RR@10")
    assert found.systems == ["first stage", "hybrid", "cosine", "same"]
    assert found["systems"][1]["measures"]["RR@10"]["mean"] == 1.0
    of_files = compare(
        files / "queries.jsonl", [files / "corpus.jsonl"], files / "run.trec", [reranker], qrels=files / "qrels.tsv"
    )
    assert of_files.systems == ["first stage", "all-MiniLM-L6-v2"]
    assert "hybrid" in found._repr_html_() and "hybrid" in repr(found)
    with pytest.raises(InvalidInput, match="same model"):
        compare(QUERIES, CORPUS, RUN, [reranker, reranker])
    with pytest.raises(InvalidInput, match="d3"):
        compare(QUERIES, {"d1": "x", "d2": "y"}, RUN, [reranker])


def test_a_diagnosis_says_what_it_found(reranker, files):
    found = diagnose(reranker, QUERIES, CORPUS, RUN, QRELS)
    assert found.verdict and found["report"]["counts"]["judged_queries"] == 2
    assert found.verdict in found._repr_html_().replace("&#x27;", "'")
    of_files = diagnose(
        reranker, files / "queries.jsonl", files / "corpus.jsonl", files / "run.trec", files / "qrels.tsv"
    )
    assert of_files.verdict == found.verdict
    assert diagnose(reranker, QUERIES, CORPUS, RUN)["report"]["quality"] is None
    with pytest.raises(InvalidInput, match="all be files"):
        diagnose(reranker, QUERIES, files / "corpus.jsonl", RUN)
    with pytest.raises(InvalidInput, match="sample"):
        diagnose(reranker, QUERIES, CORPUS, RUN, sample=1)
    with pytest.raises(InvalidInput, match="count"):
        diagnose(reranker, QUERIES, CORPUS, RUN, measure="NumRel")
