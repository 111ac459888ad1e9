"""fastembed's shape: ``from nearsort.fastembed import TextCrossEncoder, TextEmbedding``."""

from __future__ import annotations

from ._config import DEFAULT_MODEL
from ._encoder import Encoder
from ._reranker import Reranker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]

__all__ = ["TextCrossEncoder", "TextEmbedding"]

# Texts that are encoded at a time.
_AT_ONCE = 1024


class TextCrossEncoder:
    """fastembed's ``TextCrossEncoder`` by a reranker of nearsort."""

    def __init__(
        self, model_name: str, cache_dir: str | None = None, threads: int | None = None, **options: Any
    ) -> None:
        self.model_name = model_name
        self.reranker = Reranker(model_name, cache_dir=cache_dir, threads=threads, **options)

    def rerank(self, query: str, documents: Iterable[str], batch_size: int = 64, **ignored: Any) -> Iterator[float]:
        """Scores of documents, in their order."""
        yield from self.reranker.score(query, list(documents)).tolist()

    def rerank_pairs(
        self, pairs: Iterable[tuple[str, str]], batch_size: int = 64, parallel: int | None = None, **ignored: Any
    ) -> Iterator[float]:
        """Scores of pairs of query and document, in their order."""
        yield from self.reranker.predict(list(pairs)).tolist()


class TextEmbedding:
    """fastembed's ``TextEmbedding`` by an encoder of nearsort."""

    def __init__(
        self, model_name: str = DEFAULT_MODEL, cache_dir: str | None = None, threads: int | None = None, **options: Any
    ) -> None:
        self.model_name = model_name
        self.encoder = Encoder(model_name, cache_dir=cache_dir, threads=threads, **options)

    def embed(
        self, documents: str | Iterable[str], batch_size: int = 256, parallel: int | None = None, **ignored: Any
    ) -> Iterator[Vector]:
        """Vectors of documents, one after the other."""
        yield from self._vectors(documents, None)

    def passage_embed(self, texts: Iterable[str], **ignored: Any) -> Iterator[Vector]:
        """Vectors of texts with the model's prompt for documents."""
        yield from self._vectors(texts, "document")

    def query_embed(self, query: str | Iterable[str], **ignored: Any) -> Iterator[Vector]:
        """Vectors of texts with the model's prompt for queries."""
        yield from self._vectors(query, "query")

    def _vectors(self, texts: str | Iterable[str], prompt_name: str | None) -> Iterator[Vector]:
        listed = [texts] if isinstance(texts, str) else list(texts)
        for first in range(0, len(listed), _AT_ONCE):
            yield from self.encoder.encode(listed[first : first + _AT_ONCE], prompt_name=prompt_name)
