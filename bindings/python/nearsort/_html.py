"""Tables of notebooks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._answer import Answer

# Characters of a text that a table shows, and of these before the best window.
SHOWN = 400
BEFORE = 80


def escaped(text: object) -> str:
    """Text as HTML."""
    import html

    return html.escape(str(text))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table whose cells are HTML."""
    head = "".join(f'<th style="text-align:left">{escaped(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left;vertical-align:top">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    title = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def answer_html(answer: Answer, texts: list[str]) -> str:
    """Rank, score and text of every hit, the best window marked."""
    rows = []
    for rank, (hit, text) in enumerate(zip(answer, texts), start=1):
        score = escaped(hit.why) if hit.why is not None else f"{hit.score:.4f}"
        name = hit.index if hit.id is None else hit.id
        cut = " <i>(cut)</i>" if hit.truncated else ""
        rows.append((str(rank), score, escaped(name), _marked(text, hit.best_window) + cut))
    model = answer.model
    caption = f"{answer.query} – {model['name']}, {answer.score_kind}, {model['precision']}"
    return table(("rank", "score", "document", "text"), rows, caption)


def _marked(text: str, window: tuple[int, int] | None) -> str:
    if window is None or window == (0, len(text)):
        return escaped(text[:SHOWN]) + ("…" if len(text) > SHOWN else "")
    begin, end = window
    first = max(0, begin - BEFORE)
    inside = text[begin : min(end, begin + SHOWN)]
    before = ("…" if first > 0 else "") + escaped(text[first:begin])
    after = "…" if begin + len(inside) < len(text) else ""
    return f"{before}<mark>{escaped(inside)}</mark>{after}"
