"""nearsort in LangChain: a document compressor, a cross-encoder, embeddings.

>>> from langchain_core.documents import Document
>>> from nearsort.integrations.langchain import NearsortRerank
>>> compressor = NearsortRerank(top_n=1)
>>> documents = [Document("The Louvre is a museum."), Document("The Eiffel Tower stands in Paris.")]
>>> compressor.compress_documents(documents, "Where is the Eiffel Tower?")[0].page_content
'The Eiffel Tower stands in Paris.'

The async methods run in LangChain's executor. nearsort releases the GIL, so the event loop stays free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nearsort import Encoder, Reranker

from ._needs import missing

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.cross_encoders import BaseCrossEncoder
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.embeddings import Embeddings
    from pydantic import ConfigDict, Field
except ImportError as error:
    raise missing("langchain", error) from error

__all__ = ["NearsortCrossEncoder", "NearsortEmbeddings", "NearsortRerank"]


class NearsortRerank(BaseDocumentCompressor):
    """Keeps the best documents, best first, for a ``ContextualCompressionRetriever`` or a chain.

    Each document that it returns is a copy with ``metadata["relevance_score"]``.
    """

    reranker: Reranker = Field(default_factory=Reranker)
    """The loaded model; many compressors may share it. Default: the default model."""
    top_n: int | None = 3
    """How many documents to return; ``None`` for all."""
    min_score: float | None = None
    """Only documents with at least this score."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """The best documents for the query, best first."""
        texts = [document.page_content for document in documents]
        hits = self.reranker.rerank(query, texts, top_k=self.top_n, min_score=self.min_score) if texts else []
        return [_scored(documents[hit.index], hit.score) for hit in hits]


def _scored(document: Document, score: float) -> Document:
    return document.model_copy(update={"metadata": {**document.metadata, "relevance_score": score}})


class NearsortCrossEncoder(BaseCrossEncoder):
    """Scores pairs of texts, for LangChain's ``CrossEncoderReranker`` and its like.

    Args:
        reranker: The loaded model. Default: the default model.
    """

    def __init__(self, reranker: Reranker | None = None) -> None:
        self.reranker = Reranker() if reranker is None else reranker

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """A score for each pair of query and document, in their order."""
        return self.reranker.predict(text_pairs).tolist()


class NearsortEmbeddings(Embeddings):
    """Embeds queries and documents, each with the model's own prompt.

    Args:
        encoder: The loaded model. Default: the default model.
    """

    def __init__(self, encoder: Encoder | None = None) -> None:
        self.encoder = Encoder() if encoder is None else encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each document."""
        return self._embed(texts, "document")

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return self._embed([text], "query")[0]

    def _embed(self, texts: list[str], role: str) -> list[list[Any]]:
        return self.encoder.encode(texts, prompt_name=role).tolist()
