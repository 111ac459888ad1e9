"""Cross-encoders with the interface of sentence-transformers."""

from __future__ import annotations

from ._reranker import Reranker
from .errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Any


class CrossEncoder(Reranker):
    """A reranker of a cross-encoder, with the arguments of sentence-transformers' ``CrossEncoder``.

    A cross-encoder reads query and document together.

    Args:
        model_name_or_path: A name of ``nearsort models list``, ``org/name`` on the hub, or a folder.
        max_length: The longest pair in tokens; ``max_tokens`` of ``Reranker``.
        cache_folder: nearsort's own folder for models; ``cache_dir`` of ``Reranker``.
        local_files_only: Opens no network connection; ``offline`` of ``Reranker``.
        activation_fn: The default function of ``predict`` and ``rank`` from logits to scores.

    ``trust_remote_code`` and other arguments about PyTorch's loading are refused. All other arguments are those of ``Reranker``.
    """

    def __init__(
        self,
        model_name_or_path: str,
        *,
        max_length: int | None = None,
        device: str | None = None,
        revision: str | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        activation_fn: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        options.setdefault("max_tokens", max_length)
        options.setdefault("cache_dir", cache_folder)
        options.setdefault("offline", local_files_only)
        self.activation_fn = activation_fn
        super().__init__(model_name_or_path, device=device, revision=revision, **options)
        if self.kind != "cross-encode":
            raise InvalidInput(f"{self.model_id} is not a cross-encoder; use Reranker, which takes every kind of model")

    def predict(self, inputs: Any = None, *args: Any, **options: Any) -> Any:
        """As ``Reranker.predict``, with the activation of the class."""
        if len(args) < 5:
            options.setdefault("activation_fn", self.activation_fn)
        return super().predict(inputs, *args, **options)

    def rank(self, query: str, documents: Any, *args: Any, **options: Any) -> list[dict[str, Any]]:
        """As ``Reranker.rank``, with the activation of the class."""
        if len(args) < 7:
            options.setdefault("activation_fn", self.activation_fn)
        return super().rank(query, documents, *args, **options)

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"activation_fn": self.activation_fn}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.activation_fn = state["activation_fn"]
