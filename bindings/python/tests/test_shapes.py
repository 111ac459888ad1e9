"""The shapes of other packages."""

from pathlib import Path

import numpy as np
import pytest

from nearsort import CrossEncoder, InvalidInput, Reranker
from nearsort.fastembed import TextCrossEncoder, TextEmbedding
from nearsort.flashrank import Ranker, RerankRequest
from nearsort.sentence_transformers import SentenceTransformer

QUERY = "Where is the Eiffel Tower?"
TEXTS = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."]
# A random cross-encoder of the repository, with the numbers of sentence-transformers.
TINY = str(Path(__file__).resolve().parents[3] / "models" / "cross-tiny-bert")


def test_flashrank():
    passages = [{"id": at, "text": text, "meta": {"at": at}} for at, text in enumerate(TEXTS)]
    results = Ranker(max_length=128).rerank(RerankRequest(query=QUERY, passages=passages))
    assert [result["id"] for result in results] == [1, 0]
    assert results[0]["score"] > results[1]["score"] and results[0]["meta"] == {"at": 1} and "score" not in passages[0]


def test_fastembed(reranker, encoder):
    cross = TextCrossEncoder("all-MiniLM-L6-v2")
    scores = list(cross.rerank(QUERY, TEXTS))
    assert scores == reranker.score(QUERY, TEXTS).tolist()
    assert list(cross.rerank_pairs([(QUERY, text) for text in TEXTS])) == scores
    embedding = TextEmbedding()
    assert np.array_equal(np.stack(list(embedding.embed(TEXTS))), encoder.encode(TEXTS))
    assert len(list(embedding.query_embed(QUERY))) == 1 and len(list(embedding.passage_embed(TEXTS))) == 2


def test_sentence_transformer(encoder):
    model = SentenceTransformer("all-MiniLM-L6-v2", device="cpu", truncate_dim=None)
    assert np.array_equal(model.encode(TEXTS, batch_size=8), encoder.encode(TEXTS))
    assert np.array_equal(model.encode(sentences=TEXTS), encoder.encode(TEXTS))
    assert model.get_sentence_embedding_dimension() == 384 and model.max_seq_length == 256


class Identity:
    """Stands for torch.nn.Identity, of which only the name counts."""


def test_cross_encoder():
    model = CrossEncoder(TINY, max_length=64, local_files_only=True)
    pairs = [(QUERY, text) for text in TEXTS]
    scores = model.predict(pairs)
    assert scores.shape == (2,) and model.score_kind in ("probability", "logit")
    logits = model.predict(pairs, activation_fn=Identity())
    raw = CrossEncoder(TINY, max_length=64, activation_fn=Identity())
    assert raw.predict(pairs).tolist() == logits.tolist()
    assert [row["score"] for row in sorted(raw.rank(QUERY, TEXTS), key=lambda row: row["corpus_id"])] == logits.tolist()
    assert np.allclose(model.predict(pairs, activation_fn=np.tanh), np.tanh(logits))
    with pytest.raises(InvalidInput, match="not a cross-encoder"):
        CrossEncoder("all-MiniLM-L6-v2")


def test_evaluators_find_a_model_card(reranker):
    reranker.model_card_data.set_evaluation_metrics(object(), {"map": 0.5}, epoch=1, step=2)
    assert reranker.model_card_data.evaluations[-1]["metrics"] == {"map": 0.5}


def test_predict_gives_logits_or_probabilities_by_raw_scores():
    model = Reranker(TINY)
    pairs = [("a query", "a text"), ("a query", "another text")]
    logits, probabilities = model.predict(pairs, raw_scores=True), model.predict(pairs, raw_scores=False)
    assert np.allclose(1 / (1 + np.exp(-logits)), probabilities, atol=1e-6)
    with pytest.raises(InvalidInput, match="give one of them"):
        model.predict(pairs, activation_fn=lambda scores: scores, raw_scores=True)
