"""The examples of Ray and Spark run, and give the same rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*command: str | Path, log: Path) -> None:
    """Runs an example, whose messages go to a file: a pipe would have to wait for the engine's daemons too, which inherit it."""
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
    with log.open("wb") as messages:
        done = subprocess.run(command, stdout=messages, stderr=messages, stdin=subprocess.DEVNULL, env=environment)
    assert done.returncode == 0, log.read_text()[-5000:]


@pytest.mark.parametrize(("example", "library"), [("ray_job.py", "ray"), ("spark_job.py", "pyspark")])
def test_the_best_text_of_each_query(
    example: str, library: str, table: pa.Table, expected: bytes, tmp_path: Path
) -> None:
    pytest.importorskip(library)
    pairs, output = tmp_path / "pairs.parquet", tmp_path / "best"
    pq.write_table(table.select(["query", "text"]), pairs)
    run(sys.executable, EXAMPLES / example, pairs, output, log=tmp_path / "log")
    best = pq.read_table(output)
    scored = table.append_column("score", pa.array(memoryview(expected).cast("f"), pa.float32()))
    highest = scored.group_by("query").aggregate([("score", "max")])
    wanted = dict(zip(highest.column("query").to_pylist(), highest.column("score_max").to_pylist()))
    assert dict(zip(best.column("query").to_pylist(), best.column("score").to_pylist())) == wanted
