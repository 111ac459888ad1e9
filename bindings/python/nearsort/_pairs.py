"""Pairs of queries and texts, grouped by query."""

from __future__ import annotations

from .errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


def is_pair(inputs: Any) -> bool:
    """Returns true for one pair, false for a list of pairs."""
    return isinstance(inputs, (list, tuple)) and len(inputs) == 2 and all(isinstance(part, str) for part in inputs)


def grouped(pairs: Iterable[Any]) -> tuple[list[str], list[str], list[list[int]], Callable[[list[Any]], Any]]:
    """The distinct queries, the texts, which of the texts each query has, and how the scores of the lists become those of the pairs."""
    queries: dict[str, int] = {}
    texts: list[str] = []
    candidates: list[list[int]] = []
    for at, pair in enumerate(pairs):
        query, text = _pair(pair, at)
        if query not in queries:
            queries[query] = len(queries)
            candidates.append([])
        candidates[queries[query]].append(at)
        texts.append(text)

    def place(lists: list[Any]) -> Any:
        import numpy as np

        scores = np.empty(len(texts), dtype=np.float32)
        for wanted, found in zip(candidates, lists, strict=True):
            scores[wanted] = found
        return scores

    return list(queries), texts, candidates, place


def _pair(pair: Any, at: int) -> tuple[str, str]:
    try:
        query, text = (pair["query"], pair["text"]) if hasattr(pair, "keys") else pair
    except (TypeError, ValueError, KeyError):
        raise InvalidInput(f"inputs[{at}] is no pair of a query and a text") from None
    if isinstance(query, str) and isinstance(text, str):
        # numpy's strings are strings too, and not those that the extension reads.
        return str(query), str(text)
    raise InvalidInput(f"inputs[{at}] is a pair of {type(query).__name__} and {type(text).__name__}; both must be str")
