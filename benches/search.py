#!/usr/bin/env python3
"""Exact search beside other programs, on the same vectors, in turn.

What is measured: seconds of one query over N x D vectors, top 100 included, and seconds per query of 64 queries at once; ours (benches/search.rs: an
index on disk, mapped), faiss (IndexFlatIP, IndexScalarQuantizer fp16 and 8 bit), usearch (exact search, f32 and i8), simsimd (f32, f16, i8; numpy's argpartition for the top 100) and
numpy. Beside them the machine's read bandwidth: a streaming sum over as many bytes, in the same rounds. Medians, and medians over the rounds of
(peer / ours) and (sum / ours). Results are compared before the clock runs: ours in f32 with numpy in f64; in f16 and i8 with numpy on the same rounded vectors.
On what data: normal random numbers, scaled to length 1.
How to run: python3 benches/search.py [--rows 1000000] [--dim 384] [--rounds 9] [--threads 2] [--folder DIR] with the packages of
benches/peers' Python environment (numpy, faiss-cpu, usearch, simsimd). `cargo build --release --bench search` comes first.
"""

import argparse
import glob
import json
import os
import subprocess
import time

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--dim", type=int, default=384)
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--folder", default="/tmp/nearsort-search")
parser.add_argument("--dtypes", default="f32,f16,i8")
parser.add_argument("--no-peers", action="store_true")
args = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = str(args.threads)

import numpy as np  # noqa: E402  the variables above must be set before

TOP_K, QUERIES = 100, 64
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def vectors():
    os.makedirs(args.folder, exist_ok=True)
    paths = [f"{args.folder}/{name}-{args.rows}-{args.dim}.f32" for name in ("rows", "queries")]
    if not all(os.path.exists(path) for path in paths):
        random = np.random.default_rng(1)
        for path, count in zip(paths, (args.rows, QUERIES)):
            with open(path, "wb") as out:
                for first in range(0, count, 100_000):
                    block = random.standard_normal((min(100_000, count - first), args.dim), dtype=np.float32)
                    out.write((block / np.linalg.norm(block, axis=1, keepdims=True)).tobytes())
    rows, queries = (np.fromfile(path, np.float32).reshape(-1, args.dim) for path in paths)
    return paths, rows, queries


class Ours:
    """The bench program, which answers one line with one line."""

    def __init__(self, paths, dtype):
        built = [path for path in glob.glob(f"{root}/target/release/deps/search-*") if "." not in os.path.basename(path)]
        newest = max(built, key=os.path.getmtime)
        index = f"{args.folder}/index-{args.rows}-{args.dim}-{dtype}"
        command = [newest, *paths, str(args.dim), dtype, index]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = json.loads(self.process.stdout.readline())

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def rounded(rows, dtype):
    """The vectors that an index of this type stands for: scaled to length 1, then rounded."""
    stored = np.empty(rows.shape, np.float32)
    for first in range(0, len(rows), 50_000):
        block = rows[first : first + 50_000].astype(np.float64)
        block = (block / np.linalg.norm(block, axis=1, keepdims=True)).astype(np.float32)
        if dtype == "f16":
            block = block.astype(np.float16).astype(np.float32)
        if dtype == "i8":
            block = block * (np.float32(127) / np.abs(block).max(axis=1, keepdims=True))
            block = np.sign(block) * np.floor(np.abs(block) + np.float32(0.5))
            block = block / np.linalg.norm(block, axis=1, keepdims=True).astype(np.float32)
        stored[first : first + 50_000] = block
    return stored


def check(ours, rows, queries, dtype):
    """Ours must be numpy's, but for neighbours whose exact scores are equal to rounding."""
    stored, asked = rounded(rows, dtype), rounded(queries, dtype)
    for number in range(0, QUERIES, 16):
        hits = ours.ask(f"hits {number}")
        exact = stored @ asked[number]
        best = np.argpartition(-exact, TOP_K + 20)[: TOP_K + 20]
        exact = {int(row): float(stored[row].astype(np.float64) @ asked[number].astype(np.float64)) for row in best}
        expected = sorted(exact, key=lambda row: (-exact[row], row))[:TOP_K]
        for place, (ours_row, row) in enumerate(zip(hits["rows"], expected)):
            assert ours_row == row or abs(exact[ours_row] - exact[row]) < 2e-7, (dtype, number, place)
        assert all(abs(score - exact[row]) < 1e-5 for row, score in zip(hits["rows"], hits["scores"])), dtype
        same = sum(a == b for a, b in zip(hits["rows"], expected))
        print(f"  {dtype} query {number}: {same} of {TOP_K} in the same place, the others equal to 2e-7")


def best(scores):
    top = np.argpartition(-scores, TOP_K, axis=-1)[..., :TOP_K]
    return np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, -1), axis=-1), -1)


def peers(rows, queries, dtype):
    """Names and functions of a matrix of queries."""
    import faiss
    import simsimd
    from usearch.index import MetricKind, search

    faiss.omp_set_num_threads(args.threads)
    dim = rows.shape[1]
    found = {}
    if dtype == "f32":
        flat = faiss.IndexFlatIP(dim)
        flat.add(rows)
        found["faiss flat"] = lambda q: flat.search(q, TOP_K)
        found["numpy"] = lambda q: best(q @ rows.T)
        found["usearch f32"] = lambda q: search(rows, q, TOP_K, MetricKind.IP, exact=True, threads=args.threads)
        found["simsimd f32"] = lambda q: best(-np.asarray(simsimd.cdist(q, rows, "inner", threads=args.threads)))
    if dtype == "f16":
        half = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        half.train(rows[:1000])
        half.add(rows)
        found["faiss fp16"] = lambda q: half.search(q, TOP_K)
        small = rows.astype(np.float16)
        found["simsimd f16"] = lambda q: best(-np.asarray(simsimd.cdist(q.astype(np.float16), small, "inner", threads=args.threads)))
    if dtype == "i8":
        byte = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        byte.train(rows[:100_000])
        byte.add(rows)
        found["faiss sq8"] = lambda q: byte.search(q, TOP_K)
        codes = lambda x: np.rint(x * (127 / np.abs(x).max(axis=1, keepdims=True))).astype(np.int8)
        small = codes(rows)
        found["usearch i8"] = lambda q: search(small, codes(q), TOP_K, MetricKind.Cos, exact=True, threads=args.threads)
        found["simsimd i8"] = lambda q: best(-np.asarray(simsimd.cdist(codes(q), small, "cosine", threads=args.threads)))
    return found


def clock(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main():
    paths, rows, queries = vectors()
    for dtype in args.dtypes.split(","):
        Ours(paths, dtype).close()  # builds the index
        os.sync()  # while the kernel writes it out, memory is busy: that cost a sixth
        ours = Ours(paths, dtype)
        print(f"{dtype}: {args.rows} x {args.dim}, {args.threads} threads, {ours.hello['isa']}, {args.rounds} rounds", flush=True)
        check(ours, rows, queries, dtype)
        others = {} if args.no_peers else peers(rows, queries, dtype)
        one, block = {}, {}
        for number in range(args.rounds + 1):  # the first round warms up
            query = queries[number : number + 1]
            calls = {"ours": lambda: ours.ask(f"one {number}")["seconds"], "sum": lambda: ours.ask("sum")["seconds"]}
            calls |= {name: lambda search=search: clock(lambda: search(query)) for name, search in others.items()}
            if number % 2:
                calls = dict(reversed(calls.items()))
            seconds = {}
            for name, call in calls.items():
                call()  # threads of the program before may still spin, and processors that were idle run slower for some milliseconds
                seconds[name] = call()
            for name, value in seconds.items():
                one.setdefault(name, []).append(value)
        for number in range(3):
            block.setdefault("ours", []).append(ours.ask("all")["seconds"] / QUERIES)
            for name, search in others.items():
                block.setdefault(name, []).append(clock(lambda: search(queries)) / QUERIES)
        ours.close()
        bytes_read = args.rows * args.dim * {"f32": 4, "f16": 2, "i8": 1}[dtype]
        for what, table in (("one query", one), (f"per query of {QUERIES}", block)):
            base = np.array(table["ours"][1:])
            for name, values in table.items():
                values = np.array(values[1:])
                rate = f"  {bytes_read / np.median(values) / 1e9:6.1f} GB/s" if what == "one query" else ""
                print(f"  {what:18} {name:12} {np.median(values) * 1e3:9.2f} ms  x {np.median(values / base):5.2f}{rate}", flush=True)


main()
