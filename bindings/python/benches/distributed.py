"""Pairs a second: the command, `nearsort.batch`, Ray, Spark and Daft, and sentence-transformers in Ray.

usage: distributed.py PAIRS [--rounds 3] [--systems NAME,...] [--peer-python PYTHON]
PAIRS: the folder that distributed_pairs.py made. PYTHON: an interpreter that has ray and sentence-transformers.

Each system scores all pairs and, for what its start costs, the first 200, in a process of its own and in turn with the
others. The rate is (pairs - 200) / (time of all - time of 200): what a long job sees. `start` is the time of the 200.
Every worker says how much memory it had at most, and how much of it is its own. All scores are compared with the
command's, byte for byte; those of sentence-transformers, which are cosines, are not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import distributed_systems as systems
import numpy as np

SMALL = 200


def command_scores(folder: Path, count: int, output: Path) -> float:
    """Seconds of the command on the first ``count`` pairs; its scores go to ``output``."""
    lists = output.with_suffix(".lists.jsonl")
    with (folder / "lists.jsonl").open(encoding="utf-8") as source, lists.open("w", encoding="utf-8") as target:
        target.writelines(line for line, _ in zip(source, range(count // 100)))
    result = output.with_suffix(".jsonl")
    result.unlink(missing_ok=True)
    command = Path(sysconfig.get_path("scripts")) / "nearsort"
    begin = time.perf_counter()
    arguments = [command, "rerank", "--candidates", lists, "--threads", "2", "--output", result]
    subprocess.run(arguments, check=True, capture_output=True)
    seconds = time.perf_counter() - begin
    scores = np.zeros(count, np.float32)
    with result.open(encoding="utf-8") as lines:
        for hit in map(json.loads, lines):
            scores[int(hit["id"])] = hit["score"]
    np.save(output, scores)
    return seconds


def system_scores(name: str, python: str, folder: Path, count: int, output: Path) -> tuple[float, list[dict]]:
    """Seconds of a system's whole process, and what its workers say of themselves."""
    arguments = [python, systems.__file__, name, folder / "pairs.parquet", str(count), output]
    begin = time.perf_counter()
    done = subprocess.run(arguments, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - begin, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--systems", default="batch,ray-2x1,ray-1x2,spark,daft")
    parser.add_argument("--peer-python", help="also measures sentence-transformers in Ray actors")
    args = parser.parse_args()
    names = args.systems.split(",") + (["st-ray-2x1", "st-ray-1x2"] if args.peer_python else [])
    count = sum(1 for _ in (args.pairs / "lists.jsonl").open(encoding="utf-8")) * 100
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ["command", *names]}
    workers: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        reference = Path(scratch, "command.npy")
        for _ in range(args.rounds):
            small = command_scores(args.pairs, SMALL, Path(scratch, "small.npy"))
            times["command"].append((small, command_scores(args.pairs, count, reference)))
            for name in names:
                python = args.peer_python if name.startswith("st-") else sys.executable
                output = Path(scratch, "scores.npy")
                small, _ = system_scores(name, python, args.pairs, SMALL, output)
                whole, workers[name] = system_scores(name, python, args.pairs, count, output)
                times[name].append((small, whole))
                if not name.startswith("st-") and np.load(output).tobytes() != np.load(reference).tobytes():
                    raise SystemExit(f"the scores of {name} are not the command's")
    show(count, times, workers)


def show(count: int, times: dict[str, list[tuple[float, float]]], workers: dict[str, list[dict]]) -> None:
    def rate(pair: tuple[float, float]) -> float:
        return (count - SMALL) / (pair[1] - pair[0])

    command = statistics.median(map(rate, times["command"]))
    print("| system | pairs/s | of the command's | start, s | all pairs, s | workers | peak MiB each | of it private |")
    print("|---|---|---|---|---|---|---|---|")
    for name, pairs in times.items():
        median = statistics.median(map(rate, pairs))
        start, whole = (statistics.median(pair[column] for pair in pairs) for column in (0, 1))
        seen = workers.get(name, [])
        peak, private = (" ".join(str(worker[key]) for worker in seen) for key in ("peak", "private"))
        print(
            f"| {name} | {median:.0f} | {median / command:.2f} | {start:.1f} | {whole:.1f} | {len(seen) or ''} | {peak} | {private} |"
        )


if __name__ == "__main__":
    main()
