"""nearsort in Haystack: a ranker component.

>>> from haystack import Document
>>> from nearsort.integrations.haystack import NearsortRanker
>>> ranker = NearsortRanker(top_k=1)
>>> documents = [Document(content="The Louvre is a museum."), Document(content="The Eiffel Tower stands in Paris.")]
>>> ranker.run(query="Where is the Eiffel Tower?", documents=documents)["documents"][0].content
'The Eiffel Tower stands in Paris.'

Haystack loads a saved pipeline only from modules that it is told to trust:
``Pipeline.loads(text, allowed_modules=["nearsort.integrations.haystack"])``.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from nearsort import InvalidInput, Reranker

from ._needs import missing

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError as error:
    raise missing("haystack", error) from error

__all__ = ["NearsortRanker"]


@component
class NearsortRanker:
    """Keeps the best documents for a query, best first, with their scores.

    A pipeline is saved with the model's name and options, not its weights.
    """

    def __init__(
        self,
        model: str = "all-MiniLM-L6-v2",
        top_k: int = 10,
        score_threshold: float | None = None,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        options: dict[str, Any] | None = None,
    ) -> None:
        """
        :param model: A registered name, `org/name` on the hub, or a folder.
        :param top_k: Maximum number of documents to return.
        :param score_threshold: Only documents with at least this score.
        :param meta_fields_to_embed: Metadata that the model reads before the content.
        :param embedding_separator: The text between these fields and the content.
        :param options: Further arguments of `nearsort.Reranker`.
        """
        _check(top_k)
        self.model = model
        self.top_k = top_k
        self.score_threshold = score_threshold
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.embedding_separator = embedding_separator
        self.options = options or {}
        self._reranker: Reranker | None = None

    def warm_up(self) -> None:
        """Loads the model, once."""
        self._loaded()

    def _loaded(self) -> Reranker:
        if self._reranker is None:
            self._reranker = Reranker(self.model, **self.options)
        return self._reranker

    def to_dict(self) -> dict[str, Any]:
        """The component as a dictionary."""
        return default_to_dict(
            self,
            model=self.model,
            top_k=self.top_k,
            score_threshold=self.score_threshold,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
            options=self.options,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NearsortRanker:
        """The component that `to_dict` described."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None, score_threshold: float | None = None
    ) -> dict[str, list[Document]]:
        """
        Ranks documents.

        :param query: The query.
        :param documents: The candidates. They stay as they are.
        :param top_k: Overrides the component's own.
        :param score_threshold: Overrides the component's own.
        :returns: `documents`: copies of the best ones, best first, with their scores.
        """
        top_k = self.top_k if top_k is None else top_k
        _check(top_k)
        if not documents:
            return {"documents": []}
        least = self.score_threshold if score_threshold is None else score_threshold
        texts = [self._text(document) for document in documents]
        hits = self._loaded().rerank(query, texts, top_k=top_k, min_score=least)
        return {"documents": [replace(documents[hit.index], score=hit.score) for hit in hits]}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None, score_threshold: float | None = None
    ) -> dict[str, list[Document]]:
        """Ranks documents in a thread; the event loop stays free."""
        return await asyncio.to_thread(self.run, query, documents, top_k, score_threshold)

    def _text(self, document: Document) -> str:
        fields = [document.meta.get(name) for name in self.meta_fields_to_embed]
        parts = [str(value) for value in fields if value is not None]
        return self.embedding_separator.join([*parts, document.content or ""])


def _check(top_k: int) -> None:
    if top_k <= 0:
        raise InvalidInput(f"`top_k` is {top_k}; it must be at least 1")
