"""The systems that `distributed.py` measures; each runs in a process of its own.

usage: distributed_systems.py SYSTEM PAIRS.parquet COUNT SCORES.npy
Writes the scores in the order of `id`, and prints what the workers say of themselves, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def of_worker(rows: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """The rows, with process, peak of memory and private memory, both in MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
    memory = Path("/proc/self/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in memory if line.startswith("Private")) // 1024
    for name, value in [("pid", os.getpid()), ("peak", peak), ("private", private)]:
        rows = rows.append_column(pa.field(name, pa.int64()), pa.array([value] * rows.num_rows, pa.int64()))
    return rows


def by_batch(table: pa.Table) -> pa.Table:
    from nearsort import batch

    return of_worker(batch.score(table, batch.Config(threads=2)))


def by_ray(actors: int, cpus: int) -> Callable[[pa.Table], pa.Table]:
    def run(table: pa.Table) -> pa.Table:
        from nearsort.integrations.ray import Scorer

        class Observed(Scorer):
            def __call__(self, rows: pa.Table) -> pa.Table:
                return of_worker(super().__call__(rows))

        return mapped(table, Observed, actors, cpus)

    return run


def by_sentence_transformers(actors: int, cpus: int) -> Callable[[pa.Table], pa.Table]:
    """What one writes without nearsort: the same model, cosines."""

    def run(table: pa.Table) -> pa.Table:
        folder = os.environ["PEER_MODEL"]  # a sentence-transformers folder of all-MiniLM-L6-v2

        class Peer:
            def __init__(self) -> None:
                import torch
                from sentence_transformers import SentenceTransformer

                torch.set_num_threads(cpus)
                self.model = SentenceTransformer(folder, device="cpu")

            def __call__(self, rows: pa.Table) -> pa.Table:
                queries, texts = rows.column("query").to_pylist(), rows.column("text").to_pylist()
                distinct = list(dict.fromkeys(queries))
                of_query = dict(zip(distinct, self.model.encode(distinct, normalize_embeddings=True)))
                vectors = self.model.encode(texts, normalize_embeddings=True)
                scores = [float(of_query[query] @ vector) for query, vector in zip(queries, vectors)]
                return of_worker(rows.append_column("score", pa.array(scores, pa.float32())))

        return mapped(table, Peer, actors, cpus)

    return run


def mapped(table: pa.Table, actor: type, actors: int, cpus: int) -> pa.Table:
    import ray
    from ray.data import ActorPoolStrategy

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20)
    blocks = [table.slice(start, 1000) for start in range(0, table.num_rows, 1000)]
    scored = ray.data.from_arrow(blocks).map_batches(
        actor,
        compute=ActorPoolStrategy(size=actors),
        num_cpus=cpus,
        batch_size=1000,
        batch_format="pyarrow",
    )
    result = pa.concat_tables(ray.get(scored.to_arrow_refs()))
    ray.shutdown()
    return result


def by_spark(table: pa.Table) -> pa.Table:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    frame = session.createDataFrame(table).repartition(20 if table.num_rows > 1000 else 2)
    # A copy: `add` would change the frame's own schema.
    schema = StructType(list(frame.schema.fields)).add("score", "float")
    for name in ("pid", "peak", "private"):
        schema = schema.add(name, "long")
    result = frame.mapInArrow(spark_batches, schema).toArrow()
    session.stop()
    return result


def spark_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    from pyspark import TaskContext

    from nearsort import batch

    config = batch.Config().on(TaskContext.get().cpus())
    for rows in batches:
        yield of_worker(batch.score(rows, config))


def by_daft(table: pa.Table) -> pa.Table:
    import daft

    from nearsort.integrations.daft import score

    frame = daft.from_arrow(table).into_batches(1000)
    return score(frame, workers=2).to_arrow()


SYSTEMS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "batch": by_batch,
    "ray-2x1": by_ray(2, 1),
    "ray-1x2": by_ray(1, 2),
    "spark": by_spark,
    "daft": by_daft,
    "st-ray-2x1": by_sentence_transformers(2, 1),
    "st-ray-1x2": by_sentence_transformers(1, 2),
}


def main() -> None:
    name, path, count, output = sys.argv[1:]
    scored = SYSTEMS[name](pq.read_table(path).slice(0, int(count))).sort_by("id")
    np.save(output, scored.column("score").to_numpy())
    workers = {}
    if "pid" in scored.column_names:
        for pid, peak, private in zip(*(scored.column(key).to_pylist() for key in ("pid", "peak", "private"))):
            seen = workers.setdefault(pid, {"peak": 0, "private": 0})
            seen.update(peak=max(peak, seen["peak"]), private=max(private, seen["private"]))
    print(json.dumps(list(workers.values())))


if __name__ == "__main__":
    main()
