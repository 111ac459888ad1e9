"""nearsort in DSPy: a module that reranks what a retriever finds.

>>> import dspy
>>> from nearsort import Encoder
>>> from nearsort.integrations.dspy import NearsortRerank
>>> search = dspy.retrievers.Embeddings(corpus, dspy.Embedder(Encoder().encode), k=50)
>>> search = NearsortRerank(search, k=5)
>>> search("Where is the Eiffel Tower?").passages

``dspy.Embedder`` takes :meth:`nearsort.Encoder.encode` as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from nearsort import Reranker

from ._needs import missing

try:
    import dspy
except ImportError as error:
    raise missing("dspy", error) from error

__all__ = ["NearsortRerank"]


class NearsortRerank(dspy.Module):
    """Keeps the best of the passages that a retriever finds.

    Args:
        retriever: Takes a query, and returns a prediction with ``passages``, texts.
        k: Passages to return.
        reranker: The loaded model. Default: the default model.
    """

    def __init__(
        self, retriever: Callable[[str], dspy.Prediction], k: int = 5, reranker: Reranker | None = None
    ) -> None:
        super().__init__()
        self.retriever = retriever
        self.k = k
        self.reranker = Reranker() if reranker is None else reranker

    def forward(self, query: str) -> dspy.Prediction:
        """The best ``passages``, their ``scores``, and their positions (``ranks``) among what the retriever found."""
        found = list(self.retriever(query).passages)
        hits = self.reranker.rerank(query, found, top_k=self.k) if found else []
        ranks = [hit.index for hit in hits]
        return dspy.Prediction(
            passages=[found[rank] for rank in ranks], scores=[hit.score for hit in hits], ranks=ranks
        )
