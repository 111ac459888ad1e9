"""Language models of services as rerankers."""

from __future__ import annotations

from ._reranker import Reranker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Judge(Reranker):
    """A reranker that asks a language model of a service.

    Args:
        model: A service's model, such as ``"openai:gpt-4o-mini"`` or ``"anthropic:claude-..."``.
        method: ``"pointwise"`` asks about each document alone and gives grades, ``"listwise"`` asks about several at once and gives an order.
        api_key: The service's key; default: the environment's, such as ``OPENAI_API_KEY``. It is not pickled.
        base_url: The service's address, such as ``"http://127.0.0.1:8000/v1"``.
        budget: Maximum cost of the model over the life of this object, in dollars.
        concurrency: Maximum number of requests at once; default: 8.
        embedding_cache: Keeps answers on disk, so that a question is paid for once.
    """

    def __init__(
        self,
        model: str,
        *,
        method: str = "pointwise",
        api_key: str | None = None,
        base_url: str | None = None,
        budget: float | None = None,
        concurrency: int | None = None,
        embedding_cache: bool = False,
    ) -> None:
        super().__init__(
            model,
            judge=method,
            api_key=api_key,
            base_url=base_url,
            budget=budget,
            concurrency=concurrency,
            embedding_cache=embedding_cache,
        )

    def __repr__(self) -> str:
        options: dict[str, Any] = self.config.as_dict()
        return f"Judge({options['model']!r}, method={options['judge']!r})"
