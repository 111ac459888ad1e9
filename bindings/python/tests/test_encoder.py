"""Vectors."""

import pickle

import numpy as np
import pytest

from nearsort import Encoder, InvalidInput


def test_vectors_are_float32_of_length_one(encoder):
    vectors = encoder.encode(["The Eiffel Tower", "The Louvre", ""])
    assert vectors.shape == (3, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    assert np.array_equal(encoder.encode("The Louvre"), vectors[1])
    assert np.array_equal(encoder.encode_query(["The Louvre"])[0], vectors[1]), "MiniLM has no prompts"


def test_similarity_is_the_cosine(encoder):
    first, second = encoder.encode(["a tower", "a museum"]), encoder.encode(["the Eiffel Tower"])
    assert encoder.similarity(first, second).shape == (2, 1)
    assert encoder.similarity(first, first)[0, 0] == pytest.approx(1.0, abs=1e-5)
    assert encoder.similarity_pairwise(first, first).shape == (2,)


def test_a_prompt_is_put_before(encoder):
    assert np.array_equal(encoder.encode(["tower"], prompt="query: "), encoder.encode(["query: tower"]))
    with pytest.raises(InvalidInput, match="prompt_name"):
        encoder.encode(["tower"], prompt_name="clustering")


def test_dimensions_can_be_cut_and_pickles_load():
    short = Encoder(dim=64)
    vectors = short.encode(["tower"])
    assert vectors.shape == (1, 64)
    assert np.array_equal(pickle.loads(pickle.dumps(short)).encode(["tower"]), vectors)
    assert repr(short).startswith("Encoder('all-MiniLM-L6-v2', dim=64")


def test_a_list_of_arrays_on_demand(encoder):
    rows = encoder.encode(["a", "b"], convert_to_numpy=False)
    assert isinstance(rows, list) and rows[0].shape == (384,)


def test_vectors_can_be_cut_in_a_call(encoder):
    whole, short = encoder.encode_query(["a tower"]), encoder.encode_query(["a tower"], truncate_dim=8)
    assert np.array_equal(short, whole[:, :8])
    scaled = encoder.encode_query("a tower", truncate_dim=8, normalize_embeddings=True)
    assert abs(np.linalg.norm(scaled) - 1) < 1e-6


def test_no_prompt_name_is_the_role_of_the_method(encoder):
    assert np.array_equal(
        encoder.encode_query("a tower", prompt_name=None, prompt=None), encoder.encode_query("a tower")
    )
