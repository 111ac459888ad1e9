"""What tests read from results and from processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa


def scores_by_id(result: pa.Table, out: str = "score") -> bytes:
    """The scores of a result, float32 in the order of ``id``."""
    ordered = result.sort_by("id")
    assert ordered.schema.field(out).type == pa.float32()
    return ordered.column(out).to_numpy().astype(np.float32, copy=False).tobytes()


def peak_mib(pid: int | str = "self") -> float:
    """The most memory that a process had, in MiB."""
    return _status(pid, "VmHWM") / 1024


def private_mib() -> float:
    """The memory that this process shares with no other, in MiB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _status(pid: int | str, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))
