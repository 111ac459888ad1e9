"""sentence-transformers' own evaluators take nearsort's objects."""

from __future__ import annotations

import pytest
from collection import QUERY, TEXTS

from nearsort import Encoder, Reranker

pytest.importorskip("sentence_transformers")

from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator  # noqa: E402
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator  # noqa: E402

BREAD = "how to bake bread"


@pytest.mark.parametrize("others", ["negative", "documents"])
def test_the_reranking_evaluator(reranker: Reranker, others: str) -> None:
    samples = [
        {"query": QUERY, "positive": [TEXTS[1]], others: [TEXTS[0], TEXTS[2], TEXTS[3]]},
        {"query": BREAD, "positive": [TEXTS[2]], others: [TEXTS[0], TEXTS[1]]},
    ]
    metrics = CrossEncoderRerankingEvaluator(samples, at_k=3, name="towers")(reranker)
    assert metrics["towers_mrr@3"] == 1.0
    assert metrics["towers_ndcg@3"] == 1.0


def test_the_retrieval_evaluator(encoder: Encoder) -> None:
    corpus = {str(row): text for row, text in enumerate(TEXTS)}
    evaluator = InformationRetrievalEvaluator(
        {"q1": QUERY, "q2": BREAD}, corpus, {"q1": {"1"}, "q2": {"2"}}, mrr_at_k=[2], map_at_k=[2], name="towers"
    )
    metrics = evaluator(encoder)
    assert metrics["towers_cosine_mrr@2"] == 1.0
    assert metrics["towers_cosine_accuracy@1"] == 1.0
