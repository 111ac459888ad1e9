"""The models in MTEB's own runner, on a reranking task and a retrieval task that are made here."""

from __future__ import annotations

import random
from typing import Any

import pytest

from nearsort import Encoder, Reranker

mteb = pytest.importorskip("mteb")

from datasets import Dataset  # noqa: E402
from mteb.abstasks.retrieval import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402
from mteb.models.models_protocols import CrossEncoderProtocol, SearchProtocol  # noqa: E402

from nearsort.integrations.mteb import NearsortCrossEncoder, NearsortSearch  # noqa: E402

_PLACES = ["Paris", "Tokyo", "Cairo", "Lima", "Oslo", "Delhi", "Quito", "Rome", "Accra", "Seoul"]
_THINGS = ["tower", "museum", "bridge", "harbour", "garden", "market"]


def _split(has_lists: bool) -> RetrievalSplitData:
    """A document for each thing of each place. A query asks for one of them, and its list has eleven others."""
    rng = random.Random(3)
    names = [(place, thing) for place in _PLACES for thing in _THINGS]
    corpus = [
        {"id": f"{place}-{thing}", "title": place, "text": f"The {thing} is well known, and many visit it in summer."}
        for place, thing in names
    ]
    asked = rng.sample(names, 20)
    ids = [document["id"] for document in corpus]
    lists = {}
    for place, thing in asked:
        wanted = f"{place}-{thing}"
        lists[f"q-{wanted}"] = rng.sample([name for name in ids if name != wanted], 11) + [wanted]
    return RetrievalSplitData(
        corpus=Dataset.from_list(corpus),
        queries=Dataset.from_list(
            [{"id": f"q-{place}-{thing}", "text": f"the {thing} of {place}"} for place, thing in asked]
        ),
        relevant_docs={f"q-{place}-{thing}": {f"{place}-{thing}": 1} for place, thing in asked},
        top_ranked=lists if has_lists else None,
    )


def _metadata(kind: str, name: str) -> TaskMetadata:
    return TaskMetadata(
        name=name,
        type=kind,
        description="Things of places.",
        dataset={"path": "made/here", "revision": "1"},
        category="t2t",
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        modalities=["text"],
        **dict.fromkeys(
            [
                "reference",
                "date",
                "domains",
                "task_subtypes",
                "license",
                "annotations_creators",
                "dialect",
                "sample_creation",
                "bibtex_citation",
            ]
        ),
    )


class PlacesReranking(AbsTaskRetrieval):
    metadata = _metadata("Reranking", "PlacesReranking")

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        self.dataset = {"default": {"test": _split(has_lists=True)}}
        self.data_loaded = True


class PlacesRetrieval(AbsTaskRetrieval):
    metadata = _metadata("Retrieval", "PlacesRetrieval")

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        self.dataset = {"default": {"test": _split(has_lists=False)}}
        self.data_loaded = True


def _scores(model: Any, task: AbsTaskRetrieval) -> dict[str, float]:
    result = mteb.evaluate(model, task, cache=None, overwrite_strategy="always")
    assert not result.exceptions
    return result.task_results[0].scores["test"][0]


def test_mteb_tells_the_two_apart(reranker: Reranker) -> None:
    cross_encoder, search = NearsortCrossEncoder(reranker), NearsortSearch(reranker)
    assert isinstance(cross_encoder, CrossEncoderProtocol)
    assert not isinstance(cross_encoder, SearchProtocol)
    assert isinstance(search, SearchProtocol)
    assert not isinstance(search, CrossEncoderProtocol)
    assert cross_encoder.mteb_model_meta.name == "nearsort/all-MiniLM-L6-v2"
    assert cross_encoder.mteb_model_meta.revision == reranker.model_info["revision"]


def test_both_rerank_alike(reranker: Reranker) -> None:
    by_pair = _scores(NearsortCrossEncoder(reranker), PlacesReranking())
    by_list = _scores(NearsortSearch(reranker), PlacesReranking())
    assert by_pair["ndcg_at_10"] == by_list["ndcg_at_10"]
    assert by_pair["ndcg_at_10"] > 0.9


def test_search_finds_and_reranks(reranker: Reranker, encoder: Encoder) -> None:
    scores = _scores(NearsortSearch(reranker, encoder, depth=20), PlacesRetrieval())
    assert scores["ndcg_at_10"] > 0.9
