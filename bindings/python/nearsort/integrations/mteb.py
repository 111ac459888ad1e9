"""nearsort's models in MTEB, for reranking and retrieval tasks.

>>> import mteb
>>> from nearsort.integrations.mteb import NearsortCrossEncoder
>>> results = mteb.evaluate(NearsortCrossEncoder(), mteb.get_task("AskUbuntuDupQuestions"))

MTEB tells models apart by their methods, and takes one that has ``predict`` for a cross-encoder, whatever else it has.
Therefore there are two classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from nearsort import Encoder, InvalidInput, Reranker

from ._needs import missing

try:
    from mteb.models import ModelMeta
except ImportError as error:
    raise missing("mteb", error) from error

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["NearsortCrossEncoder", "NearsortSearch"]


class NearsortCrossEncoder:
    """Scores the pairs of a reranking task.

    Args:
        reranker: The loaded model. Default: the default model.
    """

    def __init__(self, reranker: Reranker | None = None) -> None:
        self.reranker = Reranker() if reranker is None else reranker
        self.mteb_model_meta = _meta(self.reranker)

    def predict(self, inputs1: Iterable[dict[str, Any]], inputs2: Iterable[dict[str, Any]], **task: Any) -> np.ndarray:
        """A score for each pair of query (``inputs1``) and document (``inputs2``), in their order."""
        return self.reranker.predict(list(zip(_texts(inputs1), _texts(inputs2), strict=True)))


class NearsortSearch:
    """Searches a corpus with an encoder and reranks the best documents; or reranks what a task gives.

    Args:
        reranker: The loaded model. Default: the default model.
        encoder: Finds the documents to rerank, where the task gives none. Default: the default model.
        depth: Documents per query that are found and reranked.
    """

    def __init__(self, reranker: Reranker | None = None, encoder: Encoder | None = None, depth: int = 100) -> None:
        self.reranker = Reranker() if reranker is None else reranker
        self.depth = depth
        self.mteb_model_meta = _meta(self.reranker)
        self._encoder = encoder
        self._corpus: dict[str, str] = {}
        self._vectors: np.ndarray | None = None

    def index(self, corpus: Dataset, **task: Any) -> None:
        """Keeps the corpus; its vectors are made when the first search needs them."""
        titles = corpus["title"] if "title" in corpus.column_names else [""] * len(corpus)
        texts = [f"{title or ''} {text}".strip() for title, text in zip(titles, corpus["text"])]
        self._corpus, self._vectors = dict(zip(corpus["id"], texts)), None

    def search(
        self, queries: Dataset, *, top_k: int, top_ranked: dict[str, list[str]] | None = None, **task: Any
    ) -> dict[str, dict[str, float]]:
        """Scores of each query's documents, by query id and document id."""
        if not self._corpus:
            raise InvalidInput("search comes after index: there is no corpus yet")
        texts = dict(zip(queries["id"], queries["text"]))
        if top_ranked is None:
            top_ranked = self._found(texts)
        return {query_id: self._scores(text, top_ranked.get(query_id, []), top_k) for query_id, text in texts.items()}

    def _scores(self, query: str, ids: list[str], top_k: int) -> dict[str, float]:
        hits = self.reranker.rerank(query, [self._corpus[name] for name in ids], top_k=top_k) if ids else []
        return {ids[hit.index]: float(hit.score) for hit in hits}

    def _found(self, texts: dict[str, str]) -> dict[str, list[str]]:
        """The ids of each query's nearest documents."""
        self._encoder = self._encoder or Encoder()
        ids = list(self._corpus)
        if self._vectors is None:
            self._vectors = self._encoder.encode_document(list(self._corpus.values()))
        found = {}
        for query_id, text in texts.items():
            similarity = self._vectors @ self._encoder.encode_query(text)
            best = np.argsort(-similarity, kind="stable")[: self.depth]
            found[query_id] = [ids[position] for position in best]
        return found


def _texts(batches: Iterable[dict[str, Any]]) -> list[str]:
    return [text for batch in batches for text in batch["text"]]


def _meta(reranker: Reranker) -> ModelMeta:
    """Returns the model's metadata for MTEB's results. The scores are nearsort's own, so the name is too."""
    name = reranker.config.model.rstrip("/").rsplit("/", 1)[-1]
    unknown = dict.fromkeys(
        "release_date languages n_parameters memory_usage_mb max_tokens embed_dim license open_weights public_training_code "
        "public_training_data similarity_fn_name use_instructions training_datasets".split()
    )
    return ModelMeta(
        loader=None,
        name=f"nearsort/{name}",
        revision=reranker.model_info["revision"],
        framework=[],
        model_type=["cross-encoder"],
        **unknown,
    )
