"""nearsort in AnswerDotAI's ``rerankers``.

``rerankers.Reranker(...)`` has no registry for other packages, so the ranker is made here and used like any other:

>>> from nearsort.integrations.rerankers import NearsortRanker
>>> ranker = NearsortRanker()
>>> ranker.rank("Where is the Eiffel Tower?", ["The Louvre is a museum.", "The Eiffel Tower."]).top_k(1)[0].text
'The Eiffel Tower.'
"""

from __future__ import annotations

from typing import Any

from nearsort import Reranker

from ._needs import missing

try:
    from rerankers.documents import Document
    from rerankers.models.ranker import BaseRanker
    from rerankers.results import RankedResults, Result
    from rerankers.utils import prep_docs
except ImportError as error:
    raise missing("rerankers", error) from error

__all__ = ["NearsortRanker"]


class NearsortRanker(BaseRanker):
    """A ranker with scores.

    Args:
        model_name_or_path: A model's name or folder, or a loaded :class:`nearsort.Reranker`.
        verbose: Not used; nearsort prints nothing.
        options: Further arguments of :class:`nearsort.Reranker`.
    """

    ranking_type = "pointwise"

    def __init__(
        self, model_name_or_path: str | Reranker = "all-MiniLM-L6-v2", verbose: int = 0, **options: Any
    ) -> None:
        if isinstance(model_name_or_path, str):
            model_name_or_path = Reranker(model_name_or_path, **options)
        self.model = model_name_or_path
        self.verbose = verbose

    def score(self, query: str, doc: str) -> float:
        """The score of one document."""
        return float(self.model.predict((query, doc)))

    def rank(
        self,
        query: str,
        docs: str | list[str] | Document | list[Document],
        doc_ids: list[str] | list[int] | None = None,
        metadata: list[dict[str, Any]] | None = None,
    ) -> RankedResults:
        """All documents, best first."""
        if isinstance(docs, list) and not docs:
            return RankedResults(results=[], query=query, has_scores=True)
        documents = prep_docs(docs, doc_ids, metadata)
        hits = self.model.rerank(query, [document.text for document in documents])
        results = [Result(documents[hit.index], hit.score, rank) for rank, hit in enumerate(hits, start=1)]
        return RankedResults(results=results, query=query, has_scores=True)
