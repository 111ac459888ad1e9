"""The table of run.sh: nearsort on a device, beside sentence-transformers, and f32 on the CPU, which both are compared with.

Needs Python's standard library alone; sentence-transformers runs in its own Python (peer.py). Every engine is a process of its own. The
rates leave loading out: `embed --stats` and peer.py time it apart. The batch size is the best of those tried, for each engine.
"""

import argparse
import array
import json
import math
import os
import re
import statistics
import subprocess
import time

WORDS = "river stone bridge winter market letter garden music window horse city road".split()
QUERY = "Who repairs the bridge in winter?"
CANDIDATES = 1000
TOKENS_OF_A_BATCH = [16384, 65536, 262144]
TEXTS_OF_A_BATCH = [32, 128, 512, 2048]


def main():
    options = read_options()
    on_cpu = options.device == "cpu"
    num = options.num or (300 if on_cpu else 10000)
    texts = passages(options.corpus, num)
    corpus = write(options.work, "corpus.jsonl", texts)
    candidates = write(options.work, "candidates.jsonl", (texts * math.ceil(CANDIDATES / len(texts)))[:CANDIDATES])

    _, exact = embed(options, corpus, ["--device", "cpu", "--precision", "f32"])
    engines = {f"nearsort, {options.device}": lambda: nearsort_round(options, corpus, candidates)}
    if options.peers:
        engines["sentence-transformers"] = lambda: peer_round(options, corpus, candidates)
    rounds = {name: [] for name in engines}
    for _ in range(options.rounds):
        for name, run in engines.items():
            rounds[name].append(run())

    print(f"\n{len(texts)} passages, medians of {options.rounds} rounds; 1 x {CANDIDATES:,}: one query and its candidates in one process\n")
    print("| | best batch | passages/s | cosine to f32, mean | least | 1 x 1,000, s | loading, s |")
    print("|---|---|---|---|---|---|---|")
    for name, found in rounds.items():
        print(row(name, found, exact))


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["--program", "--device", "--model", "--work"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--corpus")
    parser.add_argument("--peers")
    parser.add_argument("--num", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def passages(corpus, num):
    """The first passages of a collection, or made ones of 30 to 130 tokens."""
    if corpus:
        with open(corpus, encoding="utf-8") as lines:
            documents = [json.loads(line) for line, _ in zip(lines, range(num))]
        return [f"{document.get('title') or ''} {document['text']}".strip() for document in documents]
    return [" ".join(WORDS[(n + at * (n % 11 + 1)) % len(WORDS)] for at in range(30 + n * 37 % 101)) for n in range(num)]


def write(folder, name, texts):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as out:
        for n, text in enumerate(texts):
            out.write(json.dumps({"id": str(n), "text": text}) + "\n")
    return path


def run(command):
    """Standard error of a command that must succeed, and the seconds of its process."""
    started = time.perf_counter()
    ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - started
    if ran.returncode != 0:
        raise SystemExit(f"measure.py: {' '.join(command)} ended with {ran.returncode}:\n{ran.stderr}")
    return ran.stderr, seconds


def embed(options, corpus, arguments):
    """The statistics of `embed`, and the vectors."""
    stats, out = (os.path.join(options.work, name) for name in ["stats.json", "out.npy"])
    run([options.program, "embed", corpus, "--model", options.model, "--no-cache", "--output", out, "--stats", stats, *arguments])
    with open(stats) as file:
        return json.load(file), read_npy(out)


def nearsort_round(options, corpus, candidates):
    device = ["--device", options.device]
    tried = {}
    for tokens in TOKENS_OF_A_BATCH if options.device != "cpu" else TOKENS_OF_A_BATCH[:1]:
        stats, vectors = embed(options, corpus, [*device, "--batch-tokens", str(tokens)])
        tried[f"{tokens} tokens"] = (stats["documents"] / stats["encode_seconds"], vectors)
    batch = max(tried, key=lambda batch: tried[batch][0])
    command = [options.program, "rerank", "--query", QUERY, "--scoring", "cosine", "--model", options.model, "--no-cache", "--verbose"]
    said, seconds = run([*command, *device, "--batch-tokens", batch.split()[0], candidates])
    loading = float(re.search(r"loaded in ([0-9.]+) s", said).group(1))
    rates = {batch: rate for batch, (rate, _) in tried.items()}
    return {"rates": rates, "vectors": tried[batch][1], "rerank": seconds - loading, "loading": loading, "precision": stats["precision"]}


def peer_round(options, corpus, candidates):
    out = os.path.join(options.work, "peer.json")
    peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.py")
    sizes = TEXTS_OF_A_BATCH if options.device != "cpu" else TEXTS_OF_A_BATCH[:1]
    command = [options.peers, peer, "--model", options.model, "--device", options.device, "--query", QUERY, "--out", out]
    run([*command, "--corpus", corpus, "--candidates", candidates, "--batches", ",".join(map(str, sizes))])
    with open(out) as file:
        return json.load(file)


def read_npy(path):
    """Rows of a matrix of little-endian f32 in NumPy's format."""
    with open(path, "rb") as file:
        content = file.read()
    start = 10 + int.from_bytes(content[8:10], "little")
    header = content[10:start].decode()
    if "'<f4'" not in header or "'fortran_order': False" not in header:
        raise SystemExit(f"measure.py: {path} is no matrix of f32: {header}")
    rows, width = map(int, re.search(r"\((\d+), (\d+)\)", header).groups())
    values = array.array("f", content[start:])
    return [values[row * width : (row + 1) * width] for row in range(rows)]


def cosine(a, b):
    dot = lambda x, y: math.fsum(p * q for p, q in zip(x, y))
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def row(name, rounds, exact):
    batches = rounds[0]["rates"]
    medians = {batch: statistics.median(found["rates"][batch] for found in rounds) for batch in batches}
    best = max(medians, key=medians.get)
    # A slice is enough to see what a precision costs, and Python is slow.
    step = max(1, len(exact) // 1000)
    cosines = [cosine(a, b) for a, b in zip(rounds[-1]["vectors"][::step], exact[::step])]
    median = lambda key: statistics.median(found[key] for found in rounds)
    cells = [f"{name}, {rounds[0]['precision']}", best, f"{medians[best]:.0f}", f"{statistics.fmean(cosines):.6f}", f"{min(cosines):.6f}"]
    return "| " + " | ".join([*cells, f"{median('rerank'):.3f}", f"{median('loading'):.3f}"]) + " |"


if __name__ == "__main__":
    main()
