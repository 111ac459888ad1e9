"""Embeddings on disk."""

from __future__ import annotations

from . import _native
from ._documents import Documents
from ._encoder import Encoder
from ._progress import progress
from .errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    Path: TypeAlias = str | os.PathLike[str]


class Index:
    """Embeddings of a corpus in a folder, searched exactly.

    An index belongs to the model that made it; another model is an error. A reader sees the index as it was when it was opened. Repeat the
    same call to resume an interrupted build.

    Args:
        path: The folder.
        encoder: The model that made the index; default: loaded by its name when it is first needed.

    Example:
        >>> from nearsort import Index
        >>> index = Index.build({"d1": "The Louvre.", "d2": "The Eiffel Tower."}, "corpus.index")
        >>> index.search("tower in Paris", k=1)
        [('d2', 0.5...)]
    """

    def __init__(self, path: Path, encoder: Encoder | None = None) -> None:
        self._begin(_native.Index(path), encoder)

    def _begin(self, index: _native.Index, encoder: Encoder | None) -> None:
        self._index = index
        self._encoder = encoder

    @classmethod
    def open(cls, path: Path, encoder: Encoder | None = None) -> Index:
        """Opens an index; the same as ``Index(path)``."""
        return cls(path, encoder)

    @classmethod
    def build(
        cls,
        corpus: Any,
        path: Path,
        encoder: Encoder | None = None,
        *,
        dtype: str = "f16",
        tokens: bool = False,
        replace: bool = False,
        restart: bool = False,
        show_progress: bool = False,
    ) -> Index:
        """Builds an index.

        Args:
            corpus: ``{id: text}``, documents with ids, or one or several files (lines, JSONL, CSV, Parquet, Arrow ...).
            path: The folder of the index, new or empty.
            encoder: The model; default: ``Encoder()``.
            dtype: Number format of the stored vectors: ``"f32"``, ``"f16"`` or ``"i8"``.
            tokens: Stores token vectors too, for reranking by MaxSim.
            replace: Replaces an existing index, once the new one is complete.
            restart: Discards an unfinished build instead of resuming it.
        """
        encoder = Encoder() if encoder is None else encoder
        ids, texts, files = _corpus(corpus)
        with progress(show_progress, len(ids or ())) as told:
            index = _native.Index.build(
                path, encoder._loaded.get(), ids, texts, files, dtype, tokens, replace, restart, told
            )
        return cls._of(index, encoder)

    @classmethod
    def _of(cls, index: _native.Index, encoder: Encoder | None) -> Index:
        made = cls.__new__(cls)
        made._begin(index, encoder)
        return made

    @property
    def encoder(self) -> Encoder:
        """The model that made the index."""
        if self._encoder is None:
            name, _, precision, *_ = self._index.info
            self._encoder = Encoder(name, precision=precision or None)
        return self._encoder

    @property
    def info(self) -> dict[str, Any]:
        """``model``, ``dim``, ``precision``, ``dtype``, ``tokens``, ``bytes``."""
        return dict(zip(("model", "dim", "precision", "dtype", "tokens", "bytes"), self._index.info))

    def add(self, corpus: Any, *, replace: bool = False, restart: bool = False, show_progress: bool = False) -> Index:
        """Adds documents, and returns the new state of the index. ``replace`` replaces documents with the same ids."""
        ids, texts, files = _corpus(corpus)
        with progress(show_progress, len(ids or ())) as told:
            index = _native.Index.add(
                self._index.folder, self.encoder._loaded.get(), ids, texts, files, replace, restart, told
            )
        return self._of(index, self._encoder)

    def delete(self, ids: Sequence[str]) -> Index:
        """Deletes documents by their ids, and returns the new state of the index."""
        _native.Index.delete(self._index.folder, [str(id) for id in ids])
        return type(self)(self._index.folder, self._encoder)

    def search(self, queries: str | Sequence[str], k: int = 10, *, deadline: float | None = None) -> Any:
        """Finds the best documents: a list of ids and cosines, best first; for several queries a list of lists.

        Args:
            queries: One query, or several.
            k: Maximum number of documents per query.
            deadline: Seconds until the call fails with ``DeadlineExceeded``.
        """
        if k < 1:
            raise InvalidInput(f"k is {k}; it must be at least 1")
        one = isinstance(queries, str)
        listed = [queries] if isinstance(queries, str) else list(queries)
        found = self._index.search(self.encoder._loaded.get(), listed, k, deadline=deadline)
        return found[0] if one else found

    def damages(self) -> list[str]:
        """Compares all checksums, and returns the damages."""
        return self._index.damages()

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and id in self._index

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._index.folder, self._encoder))

    def __repr__(self) -> str:
        info = self.info
        return f"Index({str(self._index.folder)!r}, {len(self)} documents, model={info['model']!r}, dim={info['dim']}, dtype={info['dtype']!r})"


def _corpus(corpus: Any) -> tuple[list[str] | None, Any, list[Any]]:
    """Ids and texts, or files."""
    if isinstance(corpus, str) or hasattr(corpus, "__fspath__"):
        return None, None, [corpus]
    if hasattr(corpus, "keys"):
        return [str(id) for id in corpus], list(corpus.values()), []
    listed = list(corpus)
    if listed and all(hasattr(item, "__fspath__") for item in listed):
        return None, None, listed
    read = Documents(listed)
    ids = [read.id(at) for at in range(len(listed))]
    if None in ids:
        raise InvalidInput(f"documents[{ids.index(None)}] has no id; give {{id: text}}, or mappings with a field 'id'")
    return [str(id) for id in ids], read.texts, []
