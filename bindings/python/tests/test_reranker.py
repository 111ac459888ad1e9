"""Ranking by the default model."""

import json
import pickle
import sys
import threading

import numpy as np
import pytest

import nearsort
from nearsort import InvalidInput, Reranker
from nearsort._config import ModelConfig

QUERY = "Where is the Eiffel Tower?"
DOCUMENTS = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris.", "", "A cake recipe."]


def test_the_best_comes_first_and_empty_texts_last(reranker):
    hits = reranker.rerank(QUERY, DOCUMENTS)
    assert [hit.index for hit in hits][0] == 1 and [hit.index for hit in hits][-1] == 2
    assert hits[0].score > hits[1].score and hits[-1].score == -1.0
    assert hits[0].text is None and hits.usage["texts"] == 4 and hits.model["name"] == "all-MiniLM-L6-v2"


def test_top_k_min_score_and_documents(reranker):
    hits = reranker.rerank(QUERY, DOCUMENTS, top_k=2, return_documents=True)
    assert len(hits) == 2 and hits[0].text == DOCUMENTS[1]
    least = hits[0].score
    assert len(reranker.rerank(QUERY, DOCUMENTS, min_score=least)) == 1


def test_scores_are_in_input_order_and_those_of_rerank(reranker):
    scores = reranker.score(QUERY, DOCUMENTS)
    assert scores.dtype == np.float32 and scores.shape == (4,)
    by_index = {hit.index: hit.score for hit in reranker.rerank(QUERY, DOCUMENTS)}
    assert [by_index[at] for at in range(4)] == scores.tolist()


def test_many_lists_in_one_call_score_as_alone(reranker):
    queries = [QUERY, "How do I bake a cake?"]
    shared = reranker.rerank_many(queries, DOCUMENTS)
    own = reranker.rerank_many(queries, [DOCUMENTS[:2], DOCUMENTS[1:]])
    for query, answer in zip(queries, shared):
        assert answer == reranker.rerank(query, DOCUMENTS)
    assert own[0] == reranker.rerank(QUERY, DOCUMENTS[:2]) and own[1] == reranker.rerank(queries[1], DOCUMENTS[1:])
    with pytest.raises(InvalidInput, match="1 lists of documents for 2 queries"):
        reranker.rerank_many(queries, [DOCUMENTS[:2]])


def test_predict_groups_pairs_by_query(reranker):
    pairs = [(QUERY, DOCUMENTS[1]), ("cake", DOCUMENTS[3]), (QUERY, DOCUMENTS[0])]
    scores = reranker.predict(pairs)
    assert scores.dtype == np.float32 and scores.shape == (3,)
    assert scores[[0, 2]].tolist() == reranker.score(QUERY, [DOCUMENTS[1], DOCUMENTS[0]]).tolist()
    assert reranker.predict(np.array(pairs)).tolist() == scores.tolist()
    one = reranker.predict(pairs[0])
    assert one == scores[0] and np.isscalar(one)
    assert reranker.predict([]).shape == (0,)
    with pytest.raises(InvalidInput, match=r"inputs\[1\]"):
        reranker.predict([pairs[0], ("alone",)])


def test_rank_has_sentence_transformers_form(reranker):
    ranked = reranker.rank(QUERY, DOCUMENTS, top_k=1, return_documents=True)
    assert ranked == [{"corpus_id": 1, "score": reranker.rerank(QUERY, DOCUMENTS)[0].score, "text": DOCUMENTS[1]}]


def test_first_stage_scores_are_blended_in(reranker):
    rows = [{"text": text, "bm25": score} for text, score in zip(DOCUMENTS, [9.0, 1.0, 0.0, 0.0])]
    half = Reranker(blend="linear", blend_weight=1.0)
    assert half.rerank(QUERY, rows, first_stage="bm25")[0].index == 0
    assert half.rerank(QUERY, DOCUMENTS, first_stage=[1.0, None, 2.0, 3.0])[0].index == 3


def test_first_stage_scores_that_do_not_fit_are_named(reranker):
    with pytest.raises(InvalidInput, match="first_stage has 1 scores and there are 4 documents"):
        reranker.rerank(QUERY, DOCUMENTS, first_stage=[1.0])
    queries = [QUERY, "cake"]
    with pytest.raises(InvalidInput, match="first_stage has 1 lists of scores for 2 queries"):
        reranker.rerank_many(queries, DOCUMENTS, first_stage=[[1.0] * 4])
    with pytest.raises(
        InvalidInput, match=r"first_stage\[1\], of the query 'cake', has 2 scores and there are 4 documents"
    ):
        reranker.rerank_many(queries, DOCUMENTS, first_stage=[[1.0] * 4, [1.0] * 2])


def test_many_lists_have_first_stages_of_their_own(reranker):
    rows = [{"text": text, "bm25": score} for text, score in zip(DOCUMENTS, [9.0, None, 1.0, 0.0])]
    queries = [QUERY, "cake"]
    scores = [row["bm25"] for row in rows]
    alone = [reranker.rerank(query, rows, first_stage="bm25") for query in queries]
    assert reranker.rerank_many(queries, rows, first_stage="bm25") == alone
    assert reranker.rerank_many(queries, [rows, rows], first_stage=[scores, iter(scores)]) == alone


# The third is like the best; the second is not, and is a little better without feedback.
ALIKE = [
    "The Eiffel Tower stands on the Champ de Mars in Paris.",
    "Where is the bread?",
    "A tower of iron in Paris, 330 metres high, on the Champ de Mars.",
    "A bread recipe.",
]


def test_feedback_moves_what_is_like_the_best_and_no_score_of_the_model(reranker):
    first_stage = [3.0, 2.0, 1.0, 0.0]
    auto, off = (
        reranker.with_options(feedback=of).rerank(QUERY, ALIKE, first_stage=first_stage) for of in ("auto", "off")
    )
    assert (auto.feedback, auto.score_kind, off.feedback, off.score_kind) == (0.5, "blend", None, "blend")
    assert reranker.rerank(QUERY, ALIKE, first_stage=first_stage) == auto
    moved = {hit.index: hit.score for hit in auto}
    still = {hit.index: hit.score for hit in off}
    assert moved[2] - moved[1] > still[2] - still[1]
    always = Reranker(feedback=0.5)
    hits = always.rerank(QUERY, ALIKE)
    assert (hits.feedback, hits.score_kind, always.score_kind) == (0.5, "feedback", "hybrid")
    assert hits.score_kind in hits._repr_html_()
    plain = reranker.rerank(QUERY, ALIKE)
    assert (plain.feedback, plain.score_kind) == (None, "hybrid")
    assert {hit.index: hit.score for hit in hits} != {hit.index: hit.score for hit in plain}
    assert always.score(QUERY, ALIKE).tolist() == reranker.score(QUERY, ALIKE).tolist()
    assert always.rerank(QUERY, ALIKE, min_score=plain[0].score)[0].index == plain[0].index
    assert pickle.loads(pickle.dumps(always)).rerank(QUERY, ALIKE) == hits


@pytest.mark.parametrize("feedback", [10.5, -1, "on", True])
def test_feedback_that_is_none_is_refused(reranker, feedback):
    with pytest.raises(InvalidInput, match="feedback"):
        reranker.with_options(feedback=feedback)


def test_a_pickle_is_small_and_loads_elsewhere(reranker):
    pickled = pickle.dumps(reranker)
    assert len(pickled) < 1024
    again = pickle.loads(pickled)
    assert "not loaded" in repr(again)
    assert again.score(QUERY, DOCUMENTS).tolist() == reranker.score(QUERY, DOCUMENTS).tolist()


def test_keys_are_not_pickled_or_shown():
    config = ModelConfig("openai:gpt-4o-mini", api_key="sk-secret")
    assert b"sk-secret" not in pickle.dumps(config) and "sk-secret" not in repr(config)
    assert pickle.loads(pickle.dumps(config)) == ModelConfig("openai:gpt-4o-mini")


def test_threads_share_a_model(reranker):
    expected = reranker.score(QUERY, DOCUMENTS).tolist()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(reranker.score(QUERY, DOCUMENTS).tolist())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_errors_have_classes_and_say_what_to_do(reranker):
    with pytest.raises(nearsort.ModelNotFound, match="all-MiniLM-L6-v2"):
        Reranker("all-MiniLM-L6-v3")
    with pytest.raises(InvalidInput, match="raw_scores"):
        reranker.rerank(QUERY, DOCUMENTS, raw_scores=True)
    with pytest.raises(ValueError, match="the query is empty"):
        reranker.rerank(" ", DOCUMENTS)
    with pytest.raises(nearsort.DeadlineExceeded):
        reranker.rerank(QUERY, DOCUMENTS * 500, deadline=0.0)
    with pytest.raises(InvalidInput, match="deadline"):
        reranker.rerank(QUERY, DOCUMENTS, deadline=float("nan"))
    with pytest.raises(TypeError, match="wndow"):
        Reranker(wndow=True)
    assert issubclass(nearsort.DeadlineExceeded, TimeoutError) and issubclass(InvalidInput, nearsort.Error)


def test_repr_says_how_it_runs(reranker):
    assert repr(reranker).startswith("Reranker('all-MiniLM-L6-v2', scoring='hybrid', precision='i8', device='cpu'")


def test_a_notebook_shows_rank_score_and_text_with_the_best_window_marked(reranker):
    long = "Nothing to see here. " * 300 + "The Eiffel Tower stands in Paris. " + "Nothing at all. " * 300
    answer = Reranker(window=True).rerank(QUERY, [long, "<b>bold</b>"])
    hit = next(hit for hit in answer if hit.index == 0)
    begin, end = hit.best_window
    assert "Eiffel" in long[begin:end] and (begin, end) != (0, len(long))
    page = answer._repr_html_()
    assert "<mark>" in page and "&lt;b&gt;bold" in page and "<b>bold" not in page


def test_windows_are_counted_in_characters():
    long = "é" * 3000 + " The Eiffel Tower stands in Paris. " + "ü " * 1500
    (hit,) = Reranker(window=True).rerank(QUERY, [long])
    assert "Eiffel" in long[slice(*hit.best_window)]


def test_progress_counts_every_text(reranker):
    told = []
    ranker = reranker._ranker(None)
    ranker.score([QUERY], ["a boat", "a ship", "a car"], progress=told.append)
    assert sum(told) >= 3
    assert json.dumps(dict(reranker.rerank(QUERY, DOCUMENTS).usage))


def test_a_progress_bar_is_shown_by_tqdm_and_left_out_without_it(reranker, encoder, capsys, monkeypatch):
    reranker.rerank(QUERY, DOCUMENTS, show_progress=True)
    assert "texts" in capsys.readouterr().err
    assert reranker.predict([(QUERY, DOCUMENTS[0])], show_progress_bar=True).shape == (1,)
    assert "pairs" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert encoder.encode(["a"], show_progress_bar=True).shape == (1, 384)
    assert capsys.readouterr().err == ""
