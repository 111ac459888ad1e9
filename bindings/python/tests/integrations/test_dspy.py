"""The module behind DSPy's own retriever."""

from __future__ import annotations

import pytest
from collection import QUERY, TEXTS

from nearsort import Encoder, Reranker

dspy = pytest.importorskip("dspy")

from nearsort.integrations.dspy import NearsortRerank  # noqa: E402


def test_it_keeps_the_best_of_what_is_found(
    reranker: Reranker, encoder: Encoder, order: list[int], scores: list[float]
) -> None:
    embedder = dspy.Embedder(encoder.encode, caching=False)
    search = NearsortRerank(dspy.retrievers.Embeddings(TEXTS, embedder, k=4), k=2, reranker=reranker)
    best = search(query=QUERY)
    assert best.passages == [TEXTS[row] for row in order[:2]]
    assert best.scores == [scores[row] for row in order[:2]]


def test_nothing_found(reranker: Reranker) -> None:
    search = NearsortRerank(lambda query: dspy.Prediction(passages=[]), reranker=reranker)
    assert search(query=QUERY).passages == []
