"""Faults that happen once, for workers of engines: a file remembers that one has happened."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pyarrow as pa
from results import peak_mib


def first_time(marker: str) -> bool:
    """Whether nobody has asked with this file before. Of processes that ask at once, one gets ``True``."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def die_once(rows: pa.Table | pa.RecordBatch, row: int, marker: str) -> None:
    """Ends the process at the batch with a row, as the kernel does when memory runs out."""
    if row in rows.column("id").to_pylist() and first_time(marker):
        os._exit(1)


def raise_once(rows: pa.Table | pa.RecordBatch, row: int, marker: str) -> None:
    """Raises at the batch with a row."""
    if row in rows.column("id").to_pylist() and first_time(marker):
        raise OSError("the disk went away")


def meet(folder: str, number: int) -> None:
    """Waits until so many processes have come here: each of them has then got work.

    Raises:
        TimeoutError: After two minutes.
    """
    place = Path(folder)
    (place / str(os.getpid())).touch()
    until = time.monotonic() + 120
    while (come := len(list(place.iterdir()))) < number:
        if time.monotonic() > until:
            raise TimeoutError(f"{come} of {number} processes got work")
        time.sleep(0.01)


def with_worker(rows: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """The rows, and where they were scored: process, its threads (ids of those of nearsort), and its peak in MiB."""
    columns = {"pid": os.getpid(), "threads": " ".join(nearsort_threads()), "peak": int(peak_mib())}
    for name, value in columns.items():
        rows = rows.append_column(name, pa.array([value] * rows.num_rows))
    return rows


def nearsort_threads() -> list[str]:
    """The ids of this process's threads that belong to nearsort: those of the models, and those of calls."""
    tasks = Path("/proc/self/task").iterdir()
    return [task.name for task in tasks if (task / "comm").read_text().startswith("nearsort")]


def threads_of_models(pids: list[int], threads: list[str]) -> dict[int, int]:
    """How many threads of each process are there in every batch. A call has a thread of its own, which ends with it."""
    seen: dict[int, set[str]] = {}
    for pid, ids in zip(pids, threads):
        seen[pid] = seen.get(pid, set(ids.split())) & set(ids.split())
    return {pid: len(ids) for pid, ids in seen.items()}
