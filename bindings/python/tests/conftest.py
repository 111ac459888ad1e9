"""The default model, loaded once: it is fetched on the first run."""

import pytest

from nearsort import Encoder, Reranker


@pytest.fixture(scope="session")
def reranker():
    return Reranker()


@pytest.fixture(scope="session")
def encoder():
    return Encoder()
