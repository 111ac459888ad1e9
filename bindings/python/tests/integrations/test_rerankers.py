"""The ranker of AnswerDotAI's package."""

from __future__ import annotations

import asyncio

import pytest
from collection import QUERY, TEXTS

from nearsort import Reranker

pytest.importorskip("rerankers")

from rerankers import Document  # noqa: E402
from rerankers.models.ranker import BaseRanker  # noqa: E402

from nearsort.integrations.rerankers import NearsortRanker  # noqa: E402


def test_it_ranks_texts_and_documents(reranker: Reranker, order: list[int], scores: list[float]) -> None:
    ranker = NearsortRanker(reranker)
    assert isinstance(ranker, BaseRanker)
    for docs in (TEXTS, [Document(text, doc_id=row) for row, text in enumerate(TEXTS)]):
        results = ranker.rank(QUERY, docs)
        assert [result.doc_id for result in results] == order
        assert [result.score for result in results] == [scores[row] for row in order]
        assert [result.rank for result in results] == [1, 2, 3, 4]
        assert [result.text for result in results.top_k(2)] == [TEXTS[row] for row in order[:2]]


def test_ids_and_metadata_stay(reranker: Reranker, order: list[int], scores: list[float]) -> None:
    ids = ["a", "b", "c", "d"]
    results = NearsortRanker(reranker).rank(QUERY, TEXTS, doc_ids=ids, metadata=[{"row": row} for row in range(4)])
    assert [result.doc_id for result in results] == [ids[row] for row in order]
    assert [result.row for result in results] == order
    assert results.get_score_by_docid("b") == scores[1]


def test_one_document_and_none(reranker: Reranker, scores: list[float]) -> None:
    ranker = NearsortRanker(reranker)
    assert ranker.score(QUERY, TEXTS[0]) == scores[0]
    assert ranker.rank(QUERY, TEXTS[0])[0].score == scores[0]
    assert ranker.rank(QUERY, []).results_count() == 0


def test_a_name_loads_a_model_and_async_works(order: list[int]) -> None:
    ranker = NearsortRanker("all-MiniLM-L6-v2", threads=1)
    results = asyncio.run(ranker.rank_async(QUERY, TEXTS))
    assert [result.doc_id for result in results] == order
