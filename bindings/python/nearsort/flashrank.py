"""FlashRank's shape: ``from nearsort.flashrank import Ranker, RerankRequest``."""

from __future__ import annotations

from ._config import DEFAULT_MODEL
from ._reranker import Reranker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Ranker", "RerankRequest"]


class RerankRequest:
    """A query and passages: mappings with ``text``, and ``id`` and ``meta`` if they have them."""

    def __init__(self, query: str | None = None, passages: list[dict[str, Any]] | None = None) -> None:
        self.query = query
        self.passages = passages or []


class Ranker:
    """FlashRank's ``Ranker`` by a model of nearsort. It does not know the names of FlashRank's own models."""

    def __init__(
        self,
        model_name: str = DEFAULT_MODEL,
        cache_dir: str | None = None,
        max_length: int | None = None,
        log_level: str = "INFO",
        **options: Any,
    ) -> None:
        self.reranker = Reranker(model_name, cache_dir=cache_dir, max_tokens=max_length, **options)

    def rerank(self, request: RerankRequest) -> list[dict[str, Any]]:
        """The passages, best first, each with its ``score``."""
        hits = self.reranker.rerank(request.query or "", request.passages)
        return [request.passages[hit.index] | {"score": hit.score} for hit in hits]
