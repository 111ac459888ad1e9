"""What the tests of batches and engines share: pairs, and the scores that the command gives them.

NEARSORT_TEST_PAIRS: how many pairs the engines score (default 2,000).
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pairs import pairs, write_lists

# Workers import the modules of this folder too.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
# Ray runs its workers at nice 15: beside other work they hardly get a processor.
os.environ["RAY_worker_niceness"] = "0"


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """The pairs."""
    return pairs(int(os.environ.get("NEARSORT_TEST_PAIRS", "2000")))


@pytest.fixture(scope="session")
def expected(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The scores by the command, float32 in the order of ``id``."""
    folder = tmp_path_factory.mktemp("command")
    lists, output = folder / "lists.jsonl", folder / "scored.jsonl"
    write_lists(table, lists)
    command = Path(sysconfig.get_path("scripts")) / "nearsort"
    subprocess.run([command, "rerank", "--candidates", lists, "--output", output], check=True, capture_output=True)
    scores = np.full(table.num_rows, np.nan, np.float32)
    for line in output.read_text(encoding="utf-8").splitlines():
        hit = json.loads(line)
        scores[int(hit["id"])] = hit["score"]
    assert not np.isnan(scores).any()
    return scores.tobytes()
