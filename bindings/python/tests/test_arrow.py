"""Arrow arrays of every layout, from three libraries, none of which nearsort imports."""

import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nearsort import InvalidInput

QUERY = "Where is the Eiffel Tower?"
TEXTS = ["The Louvre is a museum.", None, "The Eiffel Tower stands in Paris.", "Ein Käse 🧀", "The Louvre is a museum."]


def columns():
    yield "string", pa.array(TEXTS, pa.string())
    yield "large_string", pa.array(TEXTS, pa.large_string())
    yield "string_view", pa.array(TEXTS, pa.string_view())
    yield "dictionary", pa.array(TEXTS, pa.string()).dictionary_encode()
    yield "dictionary of large strings", pa.array(TEXTS, pa.large_string()).dictionary_encode()
    yield "chunked", pa.chunked_array([TEXTS[:2], [], TEXTS[2:]], pa.string())
    yield (
        "chunked dictionary",
        pa.chunked_array([pa.array(part).dictionary_encode() for part in (TEXTS[:3], TEXTS[3:])]),
    )
    yield "sliced", pa.array(["before", *TEXTS, "after"])[1:-1]
    yield "sliced view", pa.array(["before, and longer than twelve bytes", *TEXTS], pa.string_view())[1:]
    yield "polars", pl.Series("text", TEXTS)
    yield "polars categorical", pl.Series("text", TEXTS, dtype=pl.Categorical)
    yield "polars chunked", pl.concat([pl.Series("text", TEXTS[:2]), pl.Series("text", TEXTS[2:])], rechunk=False)
    if hasattr(pd.Series, "__arrow_c_stream__"):
        yield "pandas", pd.Series(TEXTS, dtype="string[pyarrow]")
    yield "pandas as a list", pd.Series(TEXTS, dtype=object).where(lambda column: column.notna(), None).tolist()


@pytest.mark.parametrize(("name", "column"), [pytest.param(*column, id=column[0]) for column in columns()])
def test_every_layout_scores_as_the_list_does(reranker, name, column):
    expected = reranker.rerank(QUERY, TEXTS, return_documents=True)
    found = reranker.rerank(QUERY, column, return_documents=True)
    assert found == expected
    assert reranker.score(QUERY, column).tolist() == reranker.score(QUERY, TEXTS).tolist()


def test_an_array_of_nulls_and_an_empty_one(reranker):
    assert [hit.score for hit in reranker.rerank(QUERY, pa.nulls(2))] == [-1.0, -1.0]
    assert reranker.rerank(QUERY, pa.array([], pa.string())) == []
    assert reranker.rerank(QUERY, pa.chunked_array([], pa.string())) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pa.array([1, 2]), "Int64"),
        (pa.array([["a"]]), "List"),
        (pl.DataFrame({"id": ["a"], "text": ["b"]}), "columns: id, text"),
        (pa.array([1, 2]).dictionary_encode(), "Int64"),
    ],
)
def test_what_is_no_array_of_strings_is_refused(reranker, data, message):
    with pytest.raises(InvalidInput, match=message):
        reranker.rerank(QUERY, data)


def test_a_string_that_is_not_utf_8_is_refused(reranker):
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xc3\x28")])
    with pytest.raises(InvalidInput, match="not UTF-8"):
        reranker.rerank(QUERY, broken)


def test_vectors_of_columns_and_many_queries(reranker, encoder):
    assert encoder.encode(pl.Series(TEXTS)).shape == (5, 384)
    answers = reranker.rerank_many([QUERY, "cheese"], pl.Series(TEXTS))
    assert answers[1] == reranker.rerank("cheese", TEXTS)
    per_query = reranker.rerank_many([QUERY, "cheese"], [pl.Series(TEXTS), pa.array(TEXTS[:3])])
    assert per_query[1] == reranker.rerank("cheese", TEXTS[:3])


def test_nothing_but_the_interpreter_is_imported():
    code = "import sys, nearsort; print([name for name in ('numpy', 'pyarrow', 'polars', 'pandas', 'torch') if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
