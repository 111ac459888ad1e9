"""Indexes."""

import json
import pickle

import pytest

import nearsort
from nearsort import Encoder, Index, InvalidInput

CORPUS = {"d1": "The Louvre is a museum.", "d2": "The Eiffel Tower stands in Paris.", "d3": None}


@pytest.fixture
def index(tmp_path, encoder):
    return Index.build(CORPUS, tmp_path / "corpus.index", encoder)


def test_a_search_finds_what_is_near(index):
    (best,) = index.search("Where is the Eiffel Tower?", k=1)
    assert best[0] == "d2" and 0.5 < best[1] <= 1.0
    both = index.search(["Where is the Eiffel Tower?", "museum"], k=5)
    assert [hits[0][0] for hits in both] == ["d2", "d1"]
    assert [len(hits) for hits in both] == [2, 2], "a text without anything in it is not found"
    with pytest.raises(InvalidInput, match="k is 0"):
        index.search("x", k=0)


def test_documents_are_added_replaced_and_deleted(index):
    with pytest.raises(InvalidInput, match="'d1' is in the index .* already.*replace="):
        index.add({"d1": "Another text."})
    # The refused build is unfinished, and was begun with other options.
    more = index.add({"d4": "A river.", "d1": "A boat."}, replace=True, restart=True)
    assert len(more) == 4 and "d4" in more and len(index) == 3, "a reader sees the index as it was"
    assert more.search("boat", k=1)[0][0] == "d1"
    assert "d4" not in more.delete(["d4"])
    assert more.damages() == []


def test_a_corpus_may_be_files_or_documents(tmp_path, encoder):
    lines = [{"id": id, "text": text} for id, text in CORPUS.items() if text]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    of_file = Index.build(tmp_path / "corpus.jsonl", tmp_path / "one.index", encoder, dtype="f32", tokens=True)
    of_rows = Index.build(lines, tmp_path / "two.index", encoder, dtype="f32")
    assert of_file.search("tower", k=1) == of_rows.search("tower", k=1)
    assert of_file.info["tokens"] and of_file.info["dtype"] == "f32"
    with pytest.raises(InvalidInput, match=r"documents\[0\] has no id"):
        Index.build(["a text"], tmp_path / "three.index", encoder)


def test_an_index_is_opened_by_its_models_name_and_pickled(index):
    again = Index.open(index._index.folder)
    assert again.search("tower", k=1) == index.search("tower", k=1)
    assert pickle.loads(pickle.dumps(again)).search("tower", k=1) == index.search("tower", k=1)
    assert "3 documents, model='all-MiniLM-L6-v2', dim=384" in repr(index)


def test_what_is_not_right_is_refused(index, tmp_path):
    folder = index._index.folder
    with pytest.raises(InvalidInput, match="replace=True"):
        Index.build(CORPUS, folder, index.encoder)
    with pytest.raises(InvalidInput, match="Index.build"):
        Index.open(tmp_path / "nothing")
    with pytest.raises(nearsort.Error, match="another model"):
        Index(folder, Encoder(precision="f32")).search("x")
