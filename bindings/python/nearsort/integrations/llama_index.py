"""nearsort in LlamaIndex: a node postprocessor and embeddings.

>>> from llama_index.core.schema import NodeWithScore, TextNode
>>> from nearsort.integrations.llama_index import NearsortRerank
>>> nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("The Louvre is a museum.", "The Eiffel Tower.")]
>>> NearsortRerank(top_n=1).postprocess_nodes(nodes, query_str="eiffel tower")[0].text
'The Eiffel Tower.'

``to_dict`` and ``from_dict`` keep the model's name and options, not its weights.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from nearsort import Encoder, InvalidInput, Reranker

from ._needs import missing

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import Field, PrivateAttr
    from llama_index.core.callbacks import CBEventType, EventPayload
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
except ImportError as error:
    raise missing("llama-index", error) from error

__all__ = ["NearsortEmbedding", "NearsortRerank"]

_dispatcher = get_dispatcher(__name__)


class NearsortRerank(BaseNodePostprocessor):
    """Keeps the best nodes, best first, with their scores.

    The nodes are the ones that came in. A copy of ``NodeWithScore`` holds each of them with the new score.
    """

    model: str = Field(default="all-MiniLM-L6-v2", description="Name of the model, or its folder.")
    top_n: int = Field(default=10, gt=0, description="Nodes to return.")
    options: dict[str, Any] = Field(default_factory=dict, description="Further arguments of nearsort.Reranker.")
    _given: Reranker | None = PrivateAttr(default=None)

    def __init__(self, *, reranker: Reranker | None = None, **fields: Any) -> None:
        """``reranker`` is a loaded model, to share it; ``model`` and ``options`` say what to load otherwise."""
        _only_one(reranker, fields)
        super().__init__(**fields if reranker is None else {**fields, "model": reranker.config.model})
        self._given = reranker

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex keeps it."""
        return "NearsortRerank"

    @cached_property
    def _reranker(self) -> Reranker:
        return self._given or Reranker(self.model, **self.options)

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InvalidInput("reranking needs a query: give `query_str` or `query_bundle`")
        if not nodes:
            return []
        query = query_bundle.query_str
        payload = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: self.top_n,
        }
        start = ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=self.top_n, model_name=self.model)
        _dispatcher.event(start)
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
            hits = self._reranker.rerank(query, texts, top_k=self.top_n)
            best = [NodeWithScore(node=nodes[hit.index].node, score=hit.score) for hit in hits]
            event.on_end(payload={EventPayload.NODES: best})
        _dispatcher.event(ReRankEndEvent(nodes=best))
        return best


class NearsortEmbedding(BaseEmbedding):
    """Embeds queries and texts, each with the model's own prompt."""

    model_name: str = Field(default="all-MiniLM-L6-v2", description="Name of the model, or its folder.")
    options: dict[str, Any] = Field(default_factory=dict, description="Further arguments of nearsort.Encoder.")
    _given: Encoder | None = PrivateAttr(default=None)

    def __init__(self, *, encoder: Encoder | None = None, **fields: Any) -> None:
        """``encoder`` is a loaded model, to share it; ``model_name`` and ``options`` say what to load otherwise."""
        _only_one(encoder, fields, "model_name")
        super().__init__(**fields if encoder is None else {**fields, "model_name": encoder.config.model})
        self._given = encoder

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex keeps it."""
        return "NearsortEmbedding"

    @cached_property
    def _encoder(self) -> Encoder:
        return self._given or Encoder(self.model_name, **self.options)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._encoder.encode_query(query).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._encoder.encode_document(texts).tolist()

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


def _only_one(loaded: Any, fields: dict[str, Any], name: str = "model") -> None:
    if loaded is not None and (name in fields or "options" in fields):
        raise InvalidInput(f"a loaded model is given, and `{name}` or `options` for another one: leave these out")
