"""Daft on its local runner: two worker processes, the real model."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from faults import die_once, raise_once, threads_of_models, with_worker
from results import scores_by_id

daft = pytest.importorskip("daft")

from nearsort import Encoder, InvalidInput, batch  # noqa: E402
from nearsort.batch import Config  # noqa: E402
from nearsort.integrations import daft as nearsort_daft  # noqa: E402


@daft.cls(max_concurrency=2, use_process=True)
class RaisesOnce:
    """Scores, and fails at the batch with a row, once."""

    def __init__(self, row: int, marker: str) -> None:
        self._fault = (row, marker)

    @daft.method.batch(return_dtype=daft.DataType.float32(), max_retries=2)
    def __call__(self, ids: daft.Series, query: daft.Series, text: daft.Series) -> pa.Array:
        """The scores of a batch."""
        rows = pa.table({"id": ids.to_arrow(), "query": query.to_arrow(), "text": text.to_arrow()})
        raise_once(rows, *self._fault)
        return batch.score(rows, Config(threads=1)).column("score").combine_chunks()


@daft.cls(max_concurrency=2, use_process=True)
class DiesOnce:
    """Scores, and ends its process at the batch with a row, once."""

    def __init__(self, row: int, marker: str) -> None:
        self._fault = (row, marker)

    @daft.method.batch(return_dtype=daft.DataType.float32())
    def __call__(self, ids: daft.Series, query: daft.Series, text: daft.Series) -> pa.Array:
        """The scores of a batch."""
        rows = pa.table({"id": ids.to_arrow(), "query": query.to_arrow(), "text": text.to_arrow()})
        die_once(rows, *self._fault)
        return batch.score(rows, Config(threads=1)).column("score").combine_chunks()


@daft.cls(max_concurrency=2, use_process=True)
class Observed:
    """What a worker is like after it has scored a batch."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @daft.method.batch(return_dtype=daft.DataType.string())
    def __call__(self, query: daft.Series, text: daft.Series) -> list[str]:
        """Process, threads and peak of memory in MiB, for each row."""
        rows = pa.table({"query": query.to_arrow(), "text": text.to_arrow()})
        seen = with_worker(batch.score(rows, self._config))
        return [json.dumps(row) for row in seen.select(["pid", "threads", "peak"]).to_pylist()]


#: The most that a worker with the default model may take, with the engine's own part.
WORKER_MIB = 400


def _frame(table: pa.Table) -> daft.DataFrame:
    return daft.from_arrow(table).into_batches(100)


@pytest.mark.parametrize(("workers", "cpus"), [(2, 1), (1, 2)], ids=["2x1", "1x2"])
def test_all_pools_give_the_commands_bytes(workers: int, cpus: int, table: pa.Table, expected: bytes) -> None:
    scored = nearsort_daft.score(_frame(table), workers=workers, cpus_per_worker=cpus)
    assert scores_by_id(scored.to_arrow()) == expected


def test_the_expression_gives_the_same_bytes(table: pa.Table, expected: bytes) -> None:
    frame = _frame(table.slice(0, 50))
    scored = frame.with_column("score", nearsort_daft.Scorer()(frame["query"], frame["text"]))
    assert scores_by_id(scored.to_arrow()) == expected[: 50 * 4]


def test_after_an_error_daft_tries_again(table: pa.Table, expected: bytes, tmp_path: Path) -> None:
    frame, marker = _frame(table), tmp_path / "happened"
    scorer = RaisesOnce(table.num_rows // 2, str(marker))
    scored = frame.with_column("score", scorer(frame["id"], frame["query"], frame["text"]))
    assert scores_by_id(scored.to_arrow()) == expected
    assert marker.exists()


def test_a_killed_worker_ends_the_query_and_the_next_one_is_whole(
    table: pa.Table, expected: bytes, tmp_path: Path
) -> None:
    """The local runner starts no worker again; run on Ray, it is Ray that does."""
    frame, marker = _frame(table), tmp_path / "happened"
    scorer = DiesOnce(table.num_rows // 2, str(marker))
    scored = frame.with_column("score", scorer(frame["id"], frame["query"], frame["text"]))
    with pytest.raises(Exception):  # noqa: B017 - Daft's own, of several kinds
        scored.to_arrow()
    assert marker.exists()
    assert scores_by_id(scored.to_arrow()) == expected


def test_no_rows_and_nulls(table: pa.Table) -> None:
    few = table.slice(0, 20)
    assert nearsort_daft.score(_frame(few).where("id < 0")).to_arrow().num_rows == 0
    texts = pa.array([None if row % 4 == 0 else text for row, text in enumerate(few.column("text").to_pylist())])
    holes = few.set_column(few.schema.get_field_index("text"), "text", texts)
    scored = nearsort_daft.score(_frame(holes)).to_arrow().sort_by("id").column("score")
    assert [value is None for value in scored.to_pylist()] == [row % 4 == 0 for row in range(20)]


def _as(table: pa.Table, kind: pa.DataType) -> pa.Table:
    return table.set_column(table.schema.get_field_index("text"), "text", table.column("text").cast(kind))


def test_large_strings(table: pa.Table, expected: bytes) -> None:
    scored = nearsort_daft.score(_frame(_as(table.slice(0, 20), pa.large_string())))
    assert scores_by_id(scored.to_arrow()) == expected[: 20 * 4]


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_types_that_daft_does_not_read_as_text_are_named(kind: pa.DataType, table: pa.Table) -> None:
    with pytest.raises(Exception, match="column 'text' has the type extension<.*; cast it to string"):
        nearsort_daft.score(_frame(_as(table.slice(0, 20), kind))).to_arrow()


def test_a_column_that_is_there_is_named(table: pa.Table) -> None:
    with pytest.raises(InvalidInput, match="a column 'query' is there already"):
        nearsort_daft.score(_frame(table.slice(0, 5)), out="query")


@pytest.mark.parametrize("cpus", [1, 2])
def test_workers_use_the_threads_that_they_have_and_little_memory(cpus: int, table: pa.Table) -> None:
    frame = _frame(table)
    seen = frame.select(Observed(Config().on(cpus))(frame["query"], frame["text"]).alias("seen")).to_arrow()
    rows = [json.loads(row) for row in seen.column("seen").to_pylist()]
    of_pid = threads_of_models([row["pid"] for row in rows], [row["threads"] for row in rows])
    assert set(of_pid.values()) == {cpus}
    assert max(row["peak"] for row in rows) < WORKER_MIB


def test_embeddings(table: pa.Table) -> None:
    few = table.slice(0, 40).select(["id", "text"])
    embedded = nearsort_daft.embed(_frame(few), workers=2).to_arrow().sort_by("id")
    vectors = Encoder().encode_document(few.column("text").to_pylist())
    assert [list(vector) for vector in embedded.column("embedding").to_pylist()] == vectors.tolist()
