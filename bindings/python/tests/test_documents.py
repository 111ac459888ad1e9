"""What documents may be."""

from types import SimpleNamespace

import pytest

from nearsort import InvalidInput

QUERY = "Where is the Eiffel Tower?"
TEXTS = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."]


@pytest.mark.parametrize(
    "documents",
    [
        tuple(TEXTS),
        (text for text in TEXTS),
        [{"text": text} for text in TEXTS],
        [{"passage": text, "id": 7} for text in TEXTS],
        [SimpleNamespace(page_content=text, metadata={}) for text in TEXTS],
        [SimpleNamespace(content=text) for text in TEXTS],
        [SimpleNamespace(text=text) for text in TEXTS],
        [SimpleNamespace(node=SimpleNamespace(get_content=lambda text=text: text)) for text in TEXTS],
        [TEXTS[0], {"text": TEXTS[1]}],
    ],
)
def test_many_kinds_of_documents_score_alike(reranker, documents):
    hits = reranker.rerank(QUERY, documents, return_documents=True)
    assert [hit.score for hit in hits] == [hit.score for hit in reranker.rerank(QUERY, TEXTS)]
    assert hits[0].index == 1 and hits[0].text == TEXTS[1]


def test_ids_titles_and_field_names(reranker):
    rows = [
        {"_id": "a", "title": "Paris", "text": "The Louvre."},
        {"_id": "b", "abstract": "x", "text": "The Eiffel Tower."},
    ]
    hits = reranker.rerank(QUERY, rows, return_documents=True)
    assert hits[0].id == "b" and hits[0].document is rows[1] and hits[1].text == "Paris The Louvre."
    named = reranker.rerank(QUERY, [{"abstract": TEXTS[1], "key": 5}], text_field="abstract", id_field="key")
    assert named[0].id == 5


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("one text", "one str"),
        ([1], r"documents\[0\] is int"),
        ([{"name": "x"}], "its fields are name"),
        (["fine", {"text": 5}], r"documents\[1\]: the text is int"),
        (["\ud800"], "surrogate"),
    ],
)
def test_what_is_no_document_is_named(reranker, documents, message):
    with pytest.raises(InvalidInput, match=message):
        reranker.rerank(QUERY, documents)


def test_none_is_a_document_without_text(reranker):
    hits = reranker.rerank(QUERY, [None, *TEXTS])
    assert hits[-1].index == 0 and hits[-1].score == -1.0
