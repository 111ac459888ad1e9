"""The models that all tests of adapters share."""

from __future__ import annotations

import os

import pytest
from collection import QUERY, TEXTS

from nearsort import Encoder, Reranker

# The libraries call home, or look for prices and models, when they are imported. The tests need none of it.
os.environ |= {
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


@pytest.fixture(scope="session")
def reranker() -> Reranker:
    return Reranker()


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="session")
def order(reranker: Reranker) -> list[int]:
    """The positions of TEXTS, best first."""
    order = [hit.index for hit in reranker.rerank(QUERY, TEXTS)]
    assert order[0] == 1
    assert order[-1] == 2
    return order


@pytest.fixture(scope="session")
def scores(reranker: Reranker) -> list[float]:
    """The scores of TEXTS."""
    return reranker.score(QUERY, TEXTS).tolist()
