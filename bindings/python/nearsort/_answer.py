"""Ranked documents."""

from __future__ import annotations

from ._html import answer_html

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._documents import Documents


class Hit:
    """A ranked document.

    Attributes:
        index: Its position in the input, from 0.
        score: Its score, higher is better; for kind and range see ``Reranker.score_kind``. NaN if it has none, see ``why``.
        text: The text that the model read, with ``return_documents=True``; else ``None``.
        id: The document's own id, if it has one.
        document: The document as it was given, with ``return_documents=True``; else ``None``.
        best_window: Begin and end of the window that gave the score, in characters of the text; ``None`` if there were no windows.
        tokens: Number of its tokens that were read.
        truncated: True if it was cut at the model's limit.
        why: The reason for a missing score; ``None`` if it has one.
    """

    __slots__ = ("best_window", "document", "id", "index", "score", "text", "tokens", "truncated", "why")

    def __init__(
        self,
        index: int,
        score: float,
        text: str | None = None,
        id: Any = None,
        document: Any = None,
        best_window: tuple[int, int] | None = None,
        tokens: int = 0,
        truncated: bool = False,
        why: str | None = None,
    ) -> None:
        self.index = index
        self.score = score
        self.text = text
        self.id = id
        self.document = document
        self.best_window = best_window
        self.tokens = tokens
        self.truncated = truncated
        self.why = why

    def __repr__(self) -> str:
        shown = f"Hit(index={self.index}, score={self.score:.6g}"
        if self.id is not None:
            shown += f", id={self.id!r}"
        if self.text is not None:
            shown += f", text={self.text!r}"
        if self.truncated:
            shown += ", truncated=True"
        if self.why is not None:
            shown += f", why={self.why!r}"
        return shown + ")"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hit):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


class Answer(list[Hit]):
    """A list of hits, best first, with model, score kind and usage. Notebooks show it as a table.

    Attributes:
        query: The query.
        model: The model and how it ran: ``name``, ``revision``, ``device``, ``engine``, ``precision``, ``isa``, ``scoring``, ``long_text``.
        score_kind: The kind of the scores: ``Reranker.score_kind``, or ``"blend"`` or ``"feedback"`` if first-stage scores or feedback
            changed them. Scores of the last two kinds order this list only.
        feedback: The weight of the feedback; ``None`` if there was none.
        usage: The usage of the call: ``texts``, ``tokens``, ``truncated``, ``cached``, ``requests``, ``dollars``.
    """

    def __init__(
        self,
        hits: list[Hit],
        query: str,
        model: dict[str, Any],
        usage: dict[str, Any],
        documents: Documents,
        score_kind: str,
        feedback: float | None,
    ) -> None:
        super().__init__(hits)
        self.query = query
        self.model = model
        self.usage = usage
        self.score_kind = score_kind
        self.feedback = feedback
        self._documents = documents

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (list(self),))

    def _repr_html_(self) -> str:
        texts = [self._documents.text(hit.index) for hit in self]
        return answer_html(self, texts)
