"""Rankings as runs: in and out of ``ranx`` and ``ir_measures``, and a run reranked.

A run here is a dictionary ``{query_id: {document_id: score}}``, as both libraries read it. Its scores fall strictly
within a query: an equal score becomes the next lower float32. Both libraries order by score alone and break ties by id
or at random; without ties they keep nearsort's order.

>>> from nearsort.integrations import runs
>>> reranked = runs.rerank(reranker, queries, corpus, runs.from_ranx(bm25), depth=100)
>>> ranx.evaluate(qrels, runs.to_ranx(reranked, "nearsort"), "ndcg@10")
>>> ir_measures.calc_aggregate([nDCG @ 10], qrels, runs.to_ir_measures(reranked))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nearsort import Hit, InvalidInput, Reranker

from ._needs import missing

if TYPE_CHECKING:
    from ir_measures import ScoredDoc
    from ranx import Run as RanxRun

__all__ = ["Run", "from_ir_measures", "from_ranx", "of_hits", "rerank", "to_ir_measures", "to_ranx"]

Run = dict[str, dict[str, float]]


def rerank(
    reranker: Reranker, queries: Mapping[str, str], corpus: Mapping[str, str], run: Run, depth: int | None = 100
) -> Run:
    """Reranks the best of each query's documents. The first stage's scores count as the reranker's ``blend`` says.

    Args:
        queries: Texts by query id.
        corpus: Texts by document id.
        run: The first stage. Queries keep their order.
        depth: Documents per query, the best ones of the first stage; ``None`` for all. The others are left out.

    Raises:
        InvalidInput: The run names a query or a document that is missing.
    """
    reranked = {}
    for query_id, scores in run.items():
        ids = sorted(scores, key=scores.__getitem__, reverse=True)[:depth]
        texts = [_text(corpus, document_id, "document") for document_id in ids]
        first_stage = [scores[document_id] for document_id in ids]
        query = _text(queries, query_id, "query")
        reranked[query_id] = of_hits(reranker.rerank(query, texts, first_stage=first_stage), ids) if ids else {}
    return reranked


def of_hits(hits: Sequence[Hit], ids: Sequence[str]) -> dict[str, float]:
    """One query's part of a run.

    Args:
        hits: What :meth:`nearsort.Reranker.rerank` returned, best first.
        ids: The ids of the documents that it was given. A repeated id keeps its best place.

    A document without a score gets 1 less than the one before it.
    """
    scores: dict[str, float] = {}
    lowest = np.float32(np.inf)
    for hit in hits:
        if ids[hit.index] in scores:
            continue
        if hit.why is None:
            lowest = min(np.float32(hit.score), np.nextafter(lowest, np.float32(-np.inf)))
        else:
            lowest = lowest - np.float32(1) if scores else np.float32(0)
        scores[ids[hit.index]] = float(lowest)
    return scores


def to_ranx(run: Run, name: str | None = None) -> RanxRun:
    """The run as ``ranx`` has it. Queries without documents are left out, which ``ranx`` cannot hold."""
    try:
        from ranx import Run as RanxRun
    except ImportError as error:
        raise missing("ranx", error) from error
    return RanxRun.from_dict({query_id: scores for query_id, scores in run.items() if scores}, name=name)


def from_ranx(run: RanxRun) -> Run:
    """A run of ``ranx`` as a dictionary."""
    return {str(query): {str(document): float(score) for document, score in run[query].items()} for query in run.keys()}


def to_ir_measures(run: Run) -> list[ScoredDoc]:
    """The run as ``ir_measures`` has it, best first."""
    try:
        from ir_measures import ScoredDoc
    except ImportError as error:
        raise missing("ir-measures", error) from error
    return [ScoredDoc(query, document, score) for query, scores in run.items() for document, score in scores.items()]


def from_ir_measures(run: Any) -> Run:
    """A run of ``ir_measures`` as a dictionary.

    Args:
        run: What ``ir_measures`` takes: an iterable of ``ScoredDoc``, a data frame, or a dictionary.
    """
    if isinstance(run, Mapping):
        return {query: dict(scores) for query, scores in run.items()}
    rows: Iterable[Any] = run.itertuples(index=False) if hasattr(run, "itertuples") else run
    read: Run = {}
    for row in rows:
        read.setdefault(row.query_id, {})[row.doc_id] = float(row.score)
    return read


def _text(texts: Mapping[str, str], key: str, what: str) -> str:
    if key not in texts:
        raise InvalidInput(f"the run names the {what} '{key}', which has no text; add it, or take it out of the run")
    return texts[key]
