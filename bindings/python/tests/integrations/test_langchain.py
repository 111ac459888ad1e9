"""The adapters in LangChain's own retrievers."""

from __future__ import annotations

import asyncio

import pytest
from collection import QUERY, TEXTS

from nearsort import Encoder, InvalidInput, Reranker

pytest.importorskip("langchain_core")

from langchain_core.documents import Document  # noqa: E402
from langchain_core.vectorstores import InMemoryVectorStore  # noqa: E402

from nearsort.integrations.langchain import NearsortCrossEncoder, NearsortEmbeddings, NearsortRerank  # noqa: E402

DOCUMENTS = [Document(text, id=str(row), metadata={"row": row}) for row, text in enumerate(TEXTS)]


def test_the_compressor_keeps_the_best_with_their_scores(
    reranker: Reranker, order: list[int], scores: list[float]
) -> None:
    kept = NearsortRerank(reranker=reranker, top_n=2).compress_documents(DOCUMENTS, QUERY)
    assert [document.metadata["row"] for document in kept] == order[:2]
    assert [document.metadata["relevance_score"] for document in kept] == [scores[row] for row in order[:2]]
    assert [document.id for document in kept] == [str(row) for row in order[:2]]
    assert all("relevance_score" not in document.metadata for document in DOCUMENTS)


def test_the_compressor_keeps_all_or_what_scores_enough(
    reranker: Reranker, order: list[int], scores: list[float]
) -> None:
    assert len(NearsortRerank(reranker=reranker, top_n=None).compress_documents(DOCUMENTS, QUERY)) == len(TEXTS)
    least = scores[order[1]]
    kept = NearsortRerank(reranker=reranker, min_score=least).compress_documents(DOCUMENTS, QUERY)
    assert len(kept) == 2
    assert NearsortRerank(reranker=reranker).compress_documents([], QUERY) == []


def test_the_compressor_loads_the_default_model_and_refuses_unknown_fields(order: list[int]) -> None:
    kept = NearsortRerank().compress_documents(DOCUMENTS, QUERY)
    assert [document.metadata["row"] for document in kept] == order[:3]
    with pytest.raises(ValueError, match="top_k"):
        NearsortRerank(top_k=3)


def test_an_empty_query_is_an_error(reranker: Reranker) -> None:
    with pytest.raises(InvalidInput, match="query"):
        NearsortRerank(reranker=reranker).compress_documents(DOCUMENTS, " ")


def test_async_gives_the_same(reranker: Reranker) -> None:
    compressor = NearsortRerank(reranker=reranker)
    kept = asyncio.run(compressor.acompress_documents(DOCUMENTS, QUERY))
    assert kept == compressor.compress_documents(DOCUMENTS, QUERY)


def test_a_compression_retriever_and_a_cross_encoder_reranker(
    reranker: Reranker, encoder: Encoder, order: list[int]
) -> None:
    classic = pytest.importorskip("langchain_classic.retrievers")
    from langchain_classic.retrievers.document_compressors import CrossEncoderReranker

    store = InMemoryVectorStore(NearsortEmbeddings(encoder))
    store.add_documents(DOCUMENTS)
    ours = NearsortRerank(reranker=reranker, top_n=2)
    theirs = CrossEncoderReranker(model=NearsortCrossEncoder(reranker), top_n=2)
    for compressor in (ours, theirs):
        retriever = classic.ContextualCompressionRetriever(
            base_compressor=compressor, base_retriever=store.as_retriever(search_kwargs={"k": 4})
        )
        assert [document.metadata["row"] for document in retriever.invoke(QUERY)] == order[:2]


def test_the_cross_encoder_scores_pairs_in_their_order(reranker: Reranker, scores: list[float]) -> None:
    pairs = [(QUERY, text) for text in TEXTS]
    assert NearsortCrossEncoder(reranker).score(pairs) == scores
    assert NearsortCrossEncoder(reranker).score([]) == []


def test_embeddings_are_the_encoders(encoder: Encoder) -> None:
    embeddings = NearsortEmbeddings(encoder)
    assert embeddings.embed_documents(TEXTS) == encoder.encode_document(TEXTS).tolist()
    assert embeddings.embed_query(QUERY) == encoder.encode_query(QUERY).tolist()
    assert asyncio.run(embeddings.aembed_query(QUERY)) == embeddings.embed_query(QUERY)
    assert embeddings.embed_documents([]) == []
