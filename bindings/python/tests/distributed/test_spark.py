"""Spark in local mode: two tasks at once, the real model."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from faults import die_once, raise_once, threads_of_models, with_worker
from results import scores_by_id

pytest.importorskip("pyspark")

from pyspark.sql import DataFrame, SparkSession  # noqa: E402

from nearsort import InvalidInput, batch  # noqa: E402
from nearsort.batch import Config  # noqa: E402
from nearsort.integrations import spark as nearsort_spark  # noqa: E402

#: The most that a worker with the default model may take, with the engine's own part.
WORKER_MIB = 400


_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100",
}


class Sessions:
    """One session at a time. Another configuration ends the one before, with its workers: ``getOrCreate`` alone would go on with it."""

    def __init__(self) -> None:
        self._session: SparkSession | None = None
        self._settings: dict[str, str] = {}

    def get(self, **settings: str) -> SparkSession:
        """The session with these settings: the one that is there, if it has them."""
        if self._session is None or settings != self._settings:
            return self.fresh(**settings)
        return self._session

    def fresh(self, **settings: str) -> SparkSession:
        """A new session, whose workers have loaded nothing."""
        self.stop()
        os.environ["PYSPARK_PYTHON"] = sys.executable
        builder = SparkSession.builder.master("local[2,4]").appName("nearsort")  # a task may fail three times
        for name, value in {**_SETTINGS, **settings}.items():
            builder = builder.config(name, value)
        self._session, self._settings = builder.getOrCreate(), settings
        self._session.sparkContext.setLogLevel("OFF")
        return self._session

    def stop(self) -> None:
        """Ends the session and its workers."""
        if self._session is not None:
            self._session.stop()
        # What a builder was told stays with the class.
        SparkSession.builder._options.clear()
        self._session = None


@pytest.fixture(scope="module")
def sessions() -> Iterator[Sessions]:
    sessions = Sessions()
    yield sessions
    sessions.stop()


@pytest.fixture(params=["true", "false"], ids=["workers reused", "workers not reused"])
def session(request: pytest.FixtureRequest, sessions: Sessions) -> SparkSession:
    return sessions.get(**{"spark.python.worker.reuse": request.param})


def _frame(session: SparkSession, table: pa.Table, partitions: int = 6) -> DataFrame:
    return session.createDataFrame(table).repartition(partitions)


def _in_worker(fault, row: int, marker: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for rows in batches:
        fault(rows, row, marker)
        yield batch.score(rows, Config(threads=1))


def _observed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    from pyspark import TaskContext

    for rows in batches:
        yield with_worker(batch.score(rows, Config().on(TaskContext.get().cpus())))


def test_the_commands_bytes(session: SparkSession, table: pa.Table, expected: bytes) -> None:
    scored = nearsort_spark.score(_frame(session, table))
    assert scored.schema["score"].dataType.simpleString() == "float"
    assert scores_by_id(scored.toArrow()) == expected


@pytest.mark.parametrize("fault", [die_once, raise_once])
def test_after_a_fault_every_row_is_there_once_with_the_same_bytes(
    session: SparkSession, fault, table: pa.Table, expected: bytes, tmp_path: Path
) -> None:
    marker = tmp_path / "happened"
    frame = _frame(session, table)
    schema = nearsort_spark.score(frame).schema
    scored = frame.mapInArrow(partial(_in_worker, fault, table.num_rows // 2, str(marker)), schema)
    assert scores_by_id(scored.toArrow()) == expected
    assert marker.exists()


def test_partitions_without_rows(session: SparkSession, table: pa.Table, expected: bytes) -> None:
    frame = _frame(session, table.slice(0, 10), 50)
    assert scores_by_id(nearsort_spark.score(frame).toArrow()) == expected[: 10 * 4]
    none = nearsort_spark.score(frame.where("id < 0")).toArrow()
    assert (none.num_rows, none.column_names[-1]) == (0, "score")


def test_nulls(session: SparkSession, table: pa.Table) -> None:
    rows = table.slice(0, 40)
    texts = pa.array([None if row % 4 == 0 else text for row, text in enumerate(rows.column("text").to_pylist())])
    holes = rows.set_column(rows.schema.get_field_index("text"), "text", texts)
    scored = nearsort_spark.score(_frame(session, holes, 3))
    assert sorted(row.id for row in scored.where("score is null").select("id").collect()) == list(range(0, 40, 4))


def test_large_strings(session: SparkSession, table: pa.Table, expected: bytes) -> None:
    session.conf.set("spark.sql.execution.arrow.useLargeVarTypes", "true")
    try:
        assert (
            scores_by_id(nearsort_spark.score(_frame(session, table.slice(0, 40), 2)).toArrow()) == expected[: 40 * 4]
        )
    finally:
        session.conf.unset("spark.sql.execution.arrow.useLargeVarTypes")


def test_wrong_columns_are_named_before_anything_runs(session: SparkSession, table: pa.Table) -> None:
    frame = _frame(session, table.slice(0, 5))
    with pytest.raises(InvalidInput, match="column 'passage' is missing; the columns are: id, query_id, query, text"):
        nearsort_spark.score(frame, text="passage")
    with pytest.raises(InvalidInput, match="column 'id' has the type bigint; cast it to string"):
        nearsort_spark.score(frame, text="id")
    with pytest.raises(InvalidInput, match="a column 'query' is there already"):
        nearsort_spark.score(frame, out="query")


def test_the_driver_loads_no_model(session: SparkSession, table: pa.Table) -> None:
    batch._reranker.cache_clear()
    nearsort_spark.score(_frame(session, table.slice(0, 10))).toArrow()
    assert batch._reranker.cache_info().currsize == 0


def test_embeddings(session: SparkSession, table: pa.Table) -> None:
    from nearsort import Encoder

    few = table.slice(0, 40).select(["id", "text"])
    embedded = nearsort_spark.embed(_frame(session, few, 3)).toArrow().sort_by("id")
    vectors = Encoder().encode_document(few.column("text").to_pylist())
    assert embedded.column("embedding").to_pylist() == vectors.tolist()


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_task_uses_a_thread_per_cpu_and_little_memory(
    sessions: Sessions, cpus: int, table: pa.Table, expected: bytes
) -> None:
    """In workers of this test alone: those of another one may have loaded an encoder too, which has threads of its own."""
    frame = _frame(sessions.fresh(**{"spark.task.cpus": str(cpus)}), table)
    schema = nearsort_spark.score(frame).schema.add("pid", "long").add("threads", "string").add("peak", "long")
    seen = frame.mapInArrow(_observed, schema).toArrow()
    of_pid = threads_of_models(seen.column("pid").to_pylist(), seen.column("threads").to_pylist())
    assert set(of_pid.values()) == {cpus}
    assert max(seen.column("peak").to_pylist()) < WORKER_MIB
    assert scores_by_id(seen) == expected
