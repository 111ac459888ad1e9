"""sentence-transformers' names: ``from nearsort.sentence_transformers import CrossEncoder, SentenceTransformer``."""

from __future__ import annotations

from ._cross_encoder import CrossEncoder
from ._encoder import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

__all__ = ["CrossEncoder", "SentenceTransformer"]


class SentenceTransformer(Encoder):
    """An encoder with the arguments of sentence-transformers' ``SentenceTransformer``. Other arguments are those of ``Encoder``."""

    def __init__(
        self,
        model_name_or_path: str,
        *,
        device: str | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        truncate_dim: int | None = None,
        **options: Any,
    ) -> None:
        options.setdefault("cache_dir", cache_folder)
        options.setdefault("offline", local_files_only)
        options.setdefault("dim", truncate_dim)
        super().__init__(model_name_or_path, device=device, revision=revision, **options)
