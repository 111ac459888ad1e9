"""The component in Haystack's own pipelines."""

from __future__ import annotations

import asyncio

import pytest
from collection import QUERY, TEXTS

from nearsort import InvalidInput

pytest.importorskip("haystack")

from haystack import Document, Pipeline  # noqa: E402
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever  # noqa: E402
from haystack.document_stores.in_memory import InMemoryDocumentStore  # noqa: E402

from nearsort.integrations.haystack import NearsortRanker  # noqa: E402

DOCUMENTS = [Document(id=str(row), content=text) for row, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def ranker() -> NearsortRanker:
    ranker = NearsortRanker(top_k=2)
    ranker.warm_up()
    return ranker


def _ids(documents: list[Document]) -> list[str]:
    return [document.id for document in documents]


def test_it_keeps_the_best_with_their_scores(ranker: NearsortRanker, order: list[int], scores: list[float]) -> None:
    kept = ranker.run(query=QUERY, documents=DOCUMENTS)["documents"]
    assert _ids(kept) == [str(row) for row in order[:2]]
    assert [document.score for document in kept] == [scores[row] for row in order[:2]]
    assert all(document.score is None for document in DOCUMENTS)
    assert ranker.run(query=QUERY, documents=[]) == {"documents": []}


def test_a_run_overrides_what_the_component_says(ranker: NearsortRanker, order: list[int], scores: list[float]) -> None:
    assert len(ranker.run(query=QUERY, documents=DOCUMENTS, top_k=4)["documents"]) == 4
    least = scores[order[0]]
    kept = ranker.run(query=QUERY, documents=DOCUMENTS, top_k=4, score_threshold=least)["documents"]
    assert _ids(kept) == [str(order[0])]
    with pytest.raises(InvalidInput, match="top_k"):
        ranker.run(query=QUERY, documents=DOCUMENTS, top_k=0)
    with pytest.raises(InvalidInput, match="top_k"):
        NearsortRanker(top_k=0)


def test_metadata_is_read_where_it_is_asked_for() -> None:
    documents = [
        Document(id="plain", content="It stands in Paris."),
        Document(id="titled", content="It stands in Paris.", meta={"title": "Eiffel Tower", "year": None}),
    ]
    ranker = NearsortRanker(meta_fields_to_embed=["title", "year"])
    assert _ids(ranker.run(query="eiffel tower", documents=documents)["documents"]) == ["titled", "plain"]


def test_a_pipeline_survives_yaml(order: list[int]) -> None:
    store = InMemoryDocumentStore()
    store.write_documents(DOCUMENTS)
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store))
    pipeline.add_component("ranker", NearsortRanker(top_k=2, options={"threads": 1}))
    pipeline.connect("retriever.documents", "ranker.documents")
    # Haystack loads modules of others only where it is told to trust them.
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=["nearsort.integrations.haystack"])
    assert again.get_component("ranker").to_dict() == pipeline.get_component("ranker").to_dict()
    result = pipeline.run({"retriever": {"query": QUERY}, "ranker": {"query": QUERY}})
    assert _ids(result["ranker"]["documents"]) == [str(row) for row in order[:2]]


def test_async_gives_the_same(ranker: NearsortRanker) -> None:
    pipeline = Pipeline()
    pipeline.add_component("ranker", NearsortRanker(top_k=2))
    result = asyncio.run(pipeline.run_async({"ranker": {"query": QUERY, "documents": DOCUMENTS}}))
    assert result["ranker"] == ranker.run(query=QUERY, documents=DOCUMENTS)
