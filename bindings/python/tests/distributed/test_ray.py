"""Ray Data in local mode: two CPUs, the real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from faults import die_once, meet, raise_once, threads_of_models, with_worker
from results import scores_by_id

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

from ray.data import ActorPoolStrategy, DataContext, Dataset  # noqa: E402

from nearsort.batch import Config  # noqa: E402
from nearsort.integrations import ray as nearsort_ray  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20)
    yield
    ray.shutdown()


def _dataset(table: pa.Table, blocks: int = 8) -> Dataset:
    size = -(-table.num_rows // blocks)
    return ray.data.from_arrow([table.slice(start, size) for start in range(0, table.num_rows, size)])


def _collected(ds: Dataset) -> pa.Table:
    return pa.concat_tables(ray.get(ds.to_arrow_refs()), promote_options="default")


class DiesOnce(nearsort_ray.Scorer):
    def __init__(self, row: int, marker: str) -> None:
        super().__init__()
        self._fault = (row, marker)

    def __call__(self, rows: pa.Table) -> pa.Table:
        die_once(rows, *self._fault)
        return super().__call__(rows)


class RaisesOnce(DiesOnce):
    def __call__(self, rows: pa.Table) -> pa.Table:
        raise_once(rows, *self._fault)
        return nearsort_ray.Scorer.__call__(self, rows)


class Observed(nearsort_ray.Scorer):
    """Goes on when ``actors`` of them have a batch."""

    def __init__(self, actors: int, meeting: str) -> None:
        super().__init__()
        self._meeting = (meeting, actors)

    def __call__(self, rows: pa.Table) -> pa.Table:
        meet(*self._meeting)
        return with_worker(super().__call__(rows))


@pytest.mark.parametrize(("actors", "cpus"), [(2, 1), (1, 2), ((1, 2), 1)], ids=["2x1", "1x2", "1-2x1"])
def test_all_pools_give_the_commands_bytes(actors, cpus: int, table: pa.Table, expected: bytes) -> None:
    scored = nearsort_ray.score(_dataset(table), actors=actors, cpus_per_actor=cpus, batch_size=128)
    assert scores_by_id(_collected(scored)) == expected


@pytest.mark.parametrize("fault", [DiesOnce, RaisesOnce])
def test_after_a_fault_every_row_is_there_once_with_the_same_bytes(
    fault: type, table: pa.Table, expected: bytes, tmp_path: Path
) -> None:
    marker = tmp_path / "happened"
    context = DataContext.get_current()
    context.retried_map_errors, context.max_map_retries = True, 1
    scored = _dataset(table).map_batches(
        fault,
        fn_constructor_kwargs={"row": table.num_rows // 2, "marker": str(marker)},
        compute=ActorPoolStrategy(size=2),
        num_cpus=1,
        batch_size=64,
        batch_format="pyarrow",
    )
    assert scores_by_id(_collected(scored)) == expected
    assert marker.exists()


def test_blocks_without_rows_and_a_dataset_without_rows(table: pa.Table, expected: bytes) -> None:
    blocks = [table.slice(0, 0), table.slice(0, 10), table.slice(0, 0), table.slice(10, 5)]
    scored = _collected(nearsort_ray.score(ray.data.from_arrow(blocks)))
    assert scored.num_rows == 15
    assert scores_by_id(scored) == expected[: 15 * 4]
    empty = nearsort_ray.score(ray.data.from_arrow(table.slice(0, 0)))
    assert empty.count() == 0


def test_nulls_and_types_of_text(table: pa.Table, expected: bytes) -> None:
    few = table.slice(0, 40)
    # Ray itself refuses string_view.
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        cast = few.set_column(few.schema.get_field_index("text"), "text", few.column("text").cast(kind))
        assert scores_by_id(_collected(nearsort_ray.score(_dataset(cast, 2)))) == expected[: 40 * 4]
    texts = pa.array([None if row % 4 == 0 else text for row, text in enumerate(few.column("text").to_pylist())])
    holes = few.set_column(few.schema.get_field_index("text"), "text", texts)
    scored = _collected(nearsort_ray.score(_dataset(holes, 2))).sort_by("id").column("score")
    assert [value is None for value in scored.to_pylist()] == [row % 4 == 0 for row in range(40)]


def test_actors_that_leave_no_cpu_for_reading_are_warned_of(table: pa.Table, caplog: pytest.LogCaptureFixture) -> None:
    ds = _dataset(table.slice(0, 5), 1)
    with caplog.at_level("WARNING", "nearsort.integrations.ray"):
        nearsort_ray.score(ds, actors=1, cpus_per_actor=1)
        assert not caplog.records
        nearsort_ray.score(ds, actors=2, cpus_per_actor=1)
    (record,) = caplog.records
    assert record.getMessage().startswith("the actors take 2 CPUs and the cluster has 2")


def test_a_wrong_column_is_named(table: pa.Table) -> None:
    scored = nearsort_ray.score(_dataset(table.slice(0, 5), 1), text="passage")
    with pytest.raises(Exception, match="column 'passage' is missing; the columns are: id, query_id, query, text"):
        scored.materialize()


@pytest.mark.parametrize(("actors", "cpus"), [(2, 1), (1, 2)])
def test_workers_use_the_threads_that_they_have_and_little_memory(
    actors: int, cpus: int, table: pa.Table, tmp_path: Path
) -> None:
    seen = _collected(
        _dataset(table).map_batches(
            Observed,
            fn_constructor_kwargs={"actors": actors, "meeting": str(tmp_path)},
            compute=ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
            num_cpus=cpus,
            batch_size=64,
            batch_format="pyarrow",
        )
    )
    of_pid = threads_of_models(seen.column("pid").to_pylist(), seen.column("threads").to_pylist())
    assert list(of_pid.values()) == [cpus] * actors
    assert max(seen.column("peak").to_pylist()) < WORKER_MIB


#: The most that a worker with the default model may take, with the engine's own part.
WORKER_MIB = 450


def test_embeddings(table: pa.Table) -> None:
    from nearsort import Encoder

    few = table.slice(0, 40).select(["id", "text"])
    embedded = _collected(nearsort_ray.embed(_dataset(few, 4), Config(), actors=2, batch_size=16)).sort_by("id")
    vectors = [list(vector) for vector in embedded.column("embedding").to_pylist()]
    assert vectors == Encoder().encode_document(few.column("text").to_pylist()).tolist()
