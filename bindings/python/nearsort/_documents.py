"""Texts and ids of documents: strings, mappings, objects of frameworks, Arrow arrays."""

from __future__ import annotations

from . import _native
from .errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

# As the command finds them in a row, the best first.
TEXT_FIELDS = ("text", "content", "body", "document", "page_content", "contents", "passage")
ID_FIELDS = ("id", "_id")
# LangChain, Haystack, and others.
_TEXT_ATTRIBUTES = ("page_content", "content", "text")
_ID_ATTRIBUTES = ("id", "id_", "node_id")


class Documents:
    """The given documents, and their texts as the extension reads them, without a copy if possible."""

    __slots__ = ("_id_field", "_text_field", "given", "texts")

    def __init__(self, given: Any, text_field: str | None = None, id_field: str | None = None) -> None:
        self._text_field, self._id_field = text_field, id_field
        if isinstance(given, str):
            raise InvalidInput("documents is one str; give a list of documents")
        if is_arrow(given):
            self.given = self.texts = given
            return
        self.given = given if isinstance(given, (list, tuple)) else list(given)
        plain = all(type(document) is str or document is None for document in self.given)
        self.texts = self.given if plain else [self._text(at) for at in range(len(self.given))]

    def __len__(self) -> int:
        if not hasattr(self.texts, "__len__"):
            self._read()
        return len(self.texts)

    def _read(self) -> None:
        self.given = self.texts = _native.read_texts(self.texts, "documents")

    def document(self, at: int) -> Any:
        """The document as it was given; of an Arrow array its text."""
        return self.text(at) if self.given is self.texts else self.given[at]

    def text(self, at: int) -> str:
        """What the model reads of a document."""
        if not isinstance(self.texts, (list, tuple)):
            self._read()
        text = self.texts[at]
        return "" if text is None else text

    def id(self, at: int) -> Any:
        """A document's id, or ``None``."""
        if self.given is self.texts:
            return None
        document = self.given[at]
        if hasattr(document, "keys"):
            names = ID_FIELDS if self._id_field is None else (self._id_field,)
            return next((document[name] for name in names if document.get(name) is not None), None)
        inner = getattr(document, "node", document)
        return next((value for name in _ID_ATTRIBUTES if (value := getattr(inner, name, None)) is not None), None)

    def _text(self, at: int) -> str | None:
        document = self.given[at]
        if document is None or isinstance(document, str):
            return document
        if hasattr(document, "keys"):
            return _of_mapping(document, at, self._text_field)
        if (text := _of_object(document)) is not None:
            return text
        kind = type(document).__name__
        raise InvalidInput(
            f"documents[{at}] is {kind}; give str, a mapping with a field 'text', or an object with `page_content`, `content`, `text` or `get_content`"
        )


def is_arrow(value: Any) -> bool:
    """Returns true if an object offers Arrow data."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def first_stage_scores(documents: Documents, given: str | Iterable[float | None], what: str) -> list[float | None]:
    """The first stage's scores: numbers, or the name of the field of mappings that has them. Errors call them ``what``."""
    if isinstance(given, str):
        return [_field(document, at, given) for at, document in enumerate(documents.given)]
    scores = [None if score is None else float(score) for score in given]
    if len(scores) != len(documents):
        raise InvalidInput(
            f"{what} has {len(scores)} scores and there are {len(documents)} documents; "
            "give one for each document, None where there is none"
        )
    return scores


def first_stage_lists(
    queries: Sequence[str], lists: Sequence[Documents], given: str | Sequence[Iterable[float | None]]
) -> list[list[float | None]]:
    """The same for several queries, each with its documents."""
    per_query: Sequence[Any] = [given] * len(queries) if isinstance(given, str) else list(given)
    if len(per_query) != len(queries):
        raise InvalidInput(
            f"first_stage has {len(per_query)} lists of scores for {len(queries)} queries; give one list for each"
        )
    return [
        first_stage_scores(documents, scores, f"first_stage[{at}], of the query {query!r},")
        for at, (query, documents, scores) in enumerate(zip(queries, lists, per_query))
    ]


def _field(document: Any, at: int, name: str) -> float | None:
    if not hasattr(document, "keys"):
        kind = type(document).__name__
        raise InvalidInput(f"first_stage={name!r} names a field, and documents[{at}] is {kind}; give a list of numbers")
    score = document.get(name)
    return None if score is None else float(score)


def _of_mapping(document: Mapping[str, Any], at: int, text_field: str | None) -> str:
    """As the command reads a row: the title, then the text."""
    names: Sequence[str] = TEXT_FIELDS if text_field is None else (text_field,)
    text = next((document[name] for name in names if document.get(name) is not None), None)
    if text is None:
        found = ", ".join(map(str, document.keys()))
        raise InvalidInput(
            f"documents[{at}] has no text: its fields are {found}; name the one with the text by text_field="
        )
    if not isinstance(text, str):
        raise InvalidInput(f"documents[{at}]: the text is {type(text).__name__}; it must be str")
    title = document.get("title")
    if not isinstance(title, str) or not title.strip():
        return text
    return f"{title} {text}" if text else title


def _of_object(document: Any) -> str | None:
    # LlamaIndex: a NodeWithScore has a node, and a node a text that depends on what it is for.
    inner = getattr(document, "node", document)
    if callable(get_content := getattr(inner, "get_content", None)):
        text = get_content()
        return text if isinstance(text, str) else None
    values = (getattr(document, name, None) for name in _TEXT_ATTRIBUTES)
    return next((value for value in values if isinstance(value, str)), None)
