"""nearsort beside sentence-transformers and ONNX Runtime (the engine of FlashRank and fastembed) with the same model, from Python.

usage: peers.py --lists lists.jsonl [--engines nearsort,nearsort-f32,sentence-transformers,ort-f32,ort-int8] [--lists-number 1000]
                [--rounds 3] [--threads 2] [--home ~/.cache/nearsort-peers]

Run it by a python that has nearsort's wheel and the peers (see the setup of the peers, which exports all-MiniLM-L6-v2 for each of them to
--home). A line of --lists is {"query": ..., "candidates": [{"text": ...}, ...]}, as `nearsort rerank` reads it; 100 candidates each are taken, and the
lists again from the first if they are fewer than --lists-number.

steady: ranking all lists by cosine, one after the other, the model being loaded; engines take turns, medians.
process: a fresh process that loads the model and ranks the first list.
Prints the rates, and the ratios of nearsort to each peer of the same run.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

DEPTH = 100
BATCH = 8  # the best of these engines on a CPU


def nearsort(precision, threads, home):
    from nearsort import Reranker

    reranker = Reranker(scoring="cosine", window=False, precision=precision, threads=threads)
    return lambda query, documents: reranker.score(query, documents)


def sentence_transformers(threads, home):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(os.path.join(home, "minilm"), device="cpu")

    def score(query, documents):
        vectors = model.encode([query, *documents], batch_size=32, convert_to_numpy=True, show_progress_bar=False)
        return vectors[1:] @ vectors[0]

    return score


def ort(file, threads, home):
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(os.path.join(home, file), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(os.path.join(home, "minilm", "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)

    def score(query, documents):
        encodings = tokenizer.encode_batch([query, *documents])
        order = sorted(range(len(encodings)), key=lambda at: -len(encodings[at].ids))
        vectors = np.zeros((len(encodings), 384), np.float32)
        for first in range(0, len(order), BATCH):
            part = order[first : first + BATCH]
            ids = np.zeros((len(part), len(encodings[part[0]].ids)), np.int64)
            mask = np.zeros_like(ids)
            for row, at in enumerate(part):
                ids[row, : len(encodings[at].ids)] = encodings[at].ids
                mask[row, : len(encodings[at].ids)] = 1
            hidden = session.run(
                None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            )[0]
            vectors[part] = (hidden * mask[..., None]).sum(1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors[1:] @ vectors[0]

    return score


ENGINES = {
    "nearsort": lambda threads, home: nearsort(None, threads, home),
    "nearsort-f32": lambda threads, home: nearsort("f32", threads, home),
    "sentence-transformers": sentence_transformers,
    "ort-f32": lambda threads, home: ort("minilm.onnx", threads, home),
    "ort-int8": lambda threads, home: ort("minilm-ort-int8.onnx", threads, home),
}


def read(path, number):
    with open(path) as lines:
        rows = [json.loads(line) for line in itertools.islice(lines, number)]
    lists = [(row["query"], [text["text"] for text in row["candidates"][:DEPTH]]) for row in rows]
    return list(itertools.islice(itertools.cycle(lists), number))


def fresh(engine, given):
    arguments = [
        "--lists",
        given.lists,
        "--engines",
        engine,
        "--threads",
        str(given.threads),
        "--home",
        given.home,
        "--first-list",
    ]
    begin = time.perf_counter()
    subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", required=True)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--lists-number", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--home", default=os.environ.get("NEARSORT_PEERS", os.path.expanduser("~/.cache/nearsort-peers"))
    )
    parser.add_argument("--first-list", action="store_true", help="rank the first list and end")
    given = parser.parse_args()
    names = given.engines.split(",")
    if given.first_list:
        query, documents = read(given.lists, 1)[0]
        print(ENGINES[names[0]](given.threads, given.home)(query, documents)[:3])
        return
    lists = read(given.lists, given.lists_number)
    engines = {name: ENGINES[name](given.threads, given.home) for name in names}
    reference = {name: score(*lists[0]) for name, score in engines.items()}
    seconds = {name: [] for name in names}
    processes = {name: [] for name in names}
    for _ in range(given.rounds):
        for name, score in engines.items():
            begin = time.perf_counter()
            for query, documents in lists:
                score(query, documents)
            seconds[name].append(time.perf_counter() - begin)
            processes[name].append(fresh(name, given))
    pairs = sum(len(documents) for _, documents in lists)
    ours = statistics.median(seconds[names[0]])
    first = statistics.median(processes[names[0]])
    for name in names:
        steady, process = statistics.median(seconds[name]), statistics.median(processes[name])
        row = {
            "engine": name,
            "pairs_per_second": round(pairs / steady, 1),
            "ratio_to_ours": round(steady / ours, 2),
            "process_1x100_seconds": round(process, 3),
            "process_ratio": round(process / first, 2),
            "largest_difference": round(float(np.abs(reference[name] - reference[names[0]]).max()), 4),
        }
        print(json.dumps(row))


if __name__ == "__main__":
    main()
