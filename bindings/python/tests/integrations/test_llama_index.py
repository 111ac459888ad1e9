"""The adapters in LlamaIndex's own index and query engine."""

from __future__ import annotations

import asyncio

import pytest
from collection import QUERY, TEXTS

from nearsort import Encoder, InvalidInput, Reranker

pytest.importorskip("llama_index.core")

from llama_index.core import VectorStoreIndex  # noqa: E402
from llama_index.core.llms import MockLLM  # noqa: E402
from llama_index.core.schema import NodeWithScore, TextNode  # noqa: E402

from nearsort.integrations.llama_index import NearsortEmbedding, NearsortRerank  # noqa: E402


def _nodes() -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, id_=str(row)), score=0.5) for row, text in enumerate(TEXTS)]


def test_the_postprocessor_keeps_the_best_nodes_themselves(
    reranker: Reranker, order: list[int], scores: list[float]
) -> None:
    nodes = _nodes()
    best = NearsortRerank(reranker=reranker, top_n=2).postprocess_nodes(nodes, query_str=QUERY)
    assert [node.score for node in best] == [scores[row] for row in order[:2]]
    assert all(kept.node is nodes[row].node for kept, row in zip(best, order))
    assert [node.score for node in nodes] == [0.5] * 4


def test_metadata_that_is_for_embedding_is_read(reranker: Reranker) -> None:
    plain = TextNode(text="It stands in Paris.")
    titled = TextNode(text="It stands in Paris.", metadata={"title": "Eiffel Tower"})
    nodes = [NodeWithScore(node=plain), NodeWithScore(node=titled)]
    best = NearsortRerank(reranker=reranker).postprocess_nodes(nodes, query_str="eiffel tower")
    assert best[0].node is titled


def test_without_nodes_or_without_a_query(reranker: Reranker) -> None:
    postprocessor = NearsortRerank(reranker=reranker)
    assert postprocessor.postprocess_nodes([], query_str=QUERY) == []
    with pytest.raises(InvalidInput, match="query_str"):
        postprocessor.postprocess_nodes(_nodes())


def test_it_is_kept_by_its_configuration(order: list[int]) -> None:
    kept = NearsortRerank(top_n=2, options={"threads": 1}).to_dict()
    assert (kept["model"], kept["top_n"], kept["options"]) == ("all-MiniLM-L6-v2", 2, {"threads": 1})
    again = NearsortRerank.from_dict(kept)
    assert [node.node.node_id for node in again.postprocess_nodes(_nodes(), query_str=QUERY)] == [
        str(row) for row in order[:2]
    ]


def test_a_loaded_model_and_options_for_another_one_are_refused(reranker: Reranker, encoder: Encoder) -> None:
    with pytest.raises(InvalidInput, match="leave these out"):
        NearsortRerank(reranker=reranker, model="other")
    with pytest.raises(InvalidInput, match="leave these out"):
        NearsortEmbedding(encoder=encoder, options={"threads": 1})


def test_a_query_engine_uses_both(reranker: Reranker, encoder: Encoder, order: list[int]) -> None:
    nodes = [node.node for node in _nodes()]
    index = VectorStoreIndex(nodes, embed_model=NearsortEmbedding(encoder=encoder))
    engine = index.as_query_engine(
        llm=MockLLM(), similarity_top_k=4, node_postprocessors=[NearsortRerank(reranker=reranker, top_n=2)]
    )
    for response in (engine.query(QUERY), asyncio.run(engine.aquery(QUERY))):
        assert [node.node.node_id for node in response.source_nodes] == [str(row) for row in order[:2]]


def test_embeddings_are_the_encoders(encoder: Encoder) -> None:
    model = NearsortEmbedding(encoder=encoder)
    assert model.get_query_embedding(QUERY) == encoder.encode_query(QUERY).tolist()
    documents = encoder.encode_document(TEXTS).tolist()
    assert model.get_text_embedding_batch(TEXTS) == documents
    assert asyncio.run(model.aget_text_embedding_batch(TEXTS)) == documents
    assert model.get_text_embedding(TEXTS[0]) == documents[0]
