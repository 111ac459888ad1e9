"""Evaluations, comparisons and diagnoses, of mappings and of files."""

import json

import pytest

from nearsort import InvalidInput, Reranker, compare, diagnose, evaluate

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


def test_pages_of_notebooks_escape_names_and_texts(reranker):
    runs = {"<b>one</b>": RUN, "<i>two": {"q1": {"d2": 1.0}, "q2": {"d1": 1.0}}}
    compared = compare(None, None, None, runs=runs, qrels=QRELS, measures="RR@10")
    for page in (evaluate(QRELS, runs, "RR@10")._repr_html_(), compared._repr_html_()):
        assert "&lt;b&gt;one&lt;/b&gt;" in page and "<b>one" not in page and "<i>two" not in page
    answer = reranker.rerank("<u>tower", ["<s>The tower", None], return_documents=True)
    page = answer._repr_html_()
    assert "&lt;u&gt;tower" in page and "&lt;s&gt;The tower" in page and "<u>" not in page and "<s>" not in page
    cut = Reranker(window=False).rerank("tower", ["tower " * 600])
    assert cut[0].truncated and "(cut)" in cut._repr_html_()


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(InvalidInput, match="nDGC"):
        evaluate(QRELS, RUN, "nDGC@10")
    with pytest.raises(InvalidInput, match="the value of 'd1' is str"):
        evaluate(QRELS, {"q1": {"d1": "high"}})
    with pytest.raises(InvalidInput, match="the query 'q1' are not a mapping"):
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
    page = found.to_html()
    assert page.startswith("<!doctype html>") and "<svg" in page and "hybrid" in page
    assert "http" not in page.replace("http-equiv", ""), "nothing is loaded"
    with pytest.raises(InvalidInput, match="same model"):
        compare(QUERIES, CORPUS, RUN, [reranker, reranker])
    with pytest.raises(InvalidInput, match="d3"):
        compare(QUERIES, {"d1": "x", "d2": "y"}, RUN, [reranker])


def test_a_comparison_of_runs_alone_and_of_grades():
    better = {"q1": {"d2": 1.0}, "q2": {"d1": 1.0}}
    found = compare(None, None, None, runs={"bm25": RUN, "better": better}, qrels=QRELS, measures="RR@10")
    assert found.systems == ["bm25", "better"] and found["systems"][1]["measures"]["RR@10"]["mean"] == 1.0
    assert found.runs == {}
    grades = {"q1": {"d2": 3, "d1": 1}, "q2": {"d1": 3}}
    graded = compare(QUERIES, CORPUS, RUN, grades={"llm": grades}, judge_as_qrels=QRELS, measures="RR@10")
    assert graded.systems == ["first stage", "llm"]
    assert list(graded.runs["llm"]["q1"]) == ["d2", "d1", "d3"]
    assert graded["judgements"]["by"] == "model"
    assert "not by people" in graded._repr_html_() and "not by people" in repr(graded)
    assert "by people" not in repr(found)
    with pytest.raises(InvalidInput, match="first_stage"):
        compare(None, None, None, grades={"llm": grades}, runs={"bm25": RUN})
    with pytest.raises(InvalidInput, match="judge_as_qrels"):
        compare(QUERIES, CORPUS, RUN, grades={"llm": grades}, qrels=QRELS, judge_as_qrels=QRELS)


def test_a_comparison_keeps_what_rerankers_made_and_looks_at_a_sample(reranker):
    found = compare(QUERIES, CORPUS, RUN, {"hybrid": reranker}, qrels=QRELS, measures="RR@10", disputed=1)
    assert list(found.runs) == ["hybrid"] and list(found.runs["hybrid"]["q1"])[0] == "d2"
    again = evaluate(QRELS, found.runs["hybrid"], "RR@10")
    assert again.mean("RR@10") == found["systems"][1]["measures"]["RR@10"]["mean"]
    assert len(found["disputed"]) == 1
    one = compare(QUERIES, CORPUS, RUN, {"hybrid": reranker}, qrels=QRELS, measures="RR@10", sample=1)
    assert len(one.runs["hybrid"]) == 1 and any("sample of 1 of 2" in note for note in one["notes"])


def test_documents_with_their_querys_id_are_left_out(reranker):
    queries, corpus = {"d1": "museum"}, CORPUS
    run, qrels = {"d1": {"d1": 3.0, "d2": 2.0, "d3": 1.0}}, {"d1": {"d2": 1}}
    found = compare(queries, corpus, run, {"hybrid": reranker}, qrels=qrels, ignore_identical_ids=True)
    assert sorted(found.runs["hybrid"]["d1"]) == ["d2", "d3"]
    assert (
        diagnose(reranker, queries, corpus, run, qrels, ignore_identical_ids=True)["report"]["counts"]["candidates"]
        == 2
    )
    assert diagnose(reranker, queries, corpus, run, qrels)["report"]["counts"]["candidates"] == 3


def test_a_diagnosis_recommends_options_and_a_profile(reranker):
    found = diagnose(reranker, QUERIES, CORPUS, RUN, QRELS)
    action = found["report"]["recommendation"]["action"]
    if found.profile is None:
        assert action == "do-not-rerank" and found.options is None
    else:
        assert "# For nearsort rerank --profile." in found.profile and found.options["model"] == "all-MiniLM-L6-v2"
        assert Reranker(**found.options).rerank("tower", ["a tower", "a boat"])[0].index == 0
    assert diagnose(reranker, QUERIES, CORPUS, RUN).profile is None, "nothing is judged"


def test_a_diagnosis_names_arguments_and_no_flags(reranker):
    unjudged = diagnose(reranker, QUERIES, CORPUS, RUN)
    assert any("(`qrels=`)" in open_question for open_question in unjudged["report"]["cannot_say"])
    long = {id: "a tower of stone " * 200 + id for id in CORPUS}
    found = diagnose(reranker.with_options(window=False), QUERIES, long, RUN)
    (truncated,) = (of for of in found.findings if of["name"] == "truncated-texts")
    assert "`window=True`" in truncated["remedy"]
    assert not any("--" in of["remedy"] for of in [*unjudged.findings, *found.findings])


def test_a_diagnosis_says_what_it_found(reranker, files):
    found = diagnose(reranker, QUERIES, CORPUS, RUN, QRELS)
    assert found.verdict and found["report"]["counts"]["judged_queries"] == 2
    assert found.verdict in found._repr_html_().replace("&#x27;", "'")
    page = found.to_html()
    assert found.verdict in page.replace("&#39;", "'") and page.count("<svg") >= 2
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
