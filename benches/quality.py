#!/usr/bin/env python3
"""nDCG@10 of reranking a first-stage run by cosine similarity, through `nearsort embed`.

usage: quality.py COLLECTION_DIR [--nearsort BIN] [--depth 100] [--embed "further arguments of nearsort embed"]

COLLECTION_DIR holds corpus.jsonl and queries.jsonl ({_id, title, text}), qrels.tsv (query-id, corpus-id, score, with a
header) and bm25.trec, as BEIR and TREC lay them out. Title and text are joined by one space. Needs Python's standard library
only. The measure is trec_eval's ndcg_cut_10: gains are the grades, the ideal order is over all judged documents,
queries without a relevant document count 0 only if they are in the run.
"""
import argparse, array, collections, json, math, os, shlex, struct, subprocess, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("collection")
parser.add_argument("--nearsort", default="target/release/nearsort")
parser.add_argument("--depth", type=int, default=100)
parser.add_argument("--embed", type=shlex.split, default=[])
options = parser.parse_args()


def vectors(name, role, folder):
    """{id: vector}, in float32, of a JSONL file."""
    source = os.path.join(options.collection, name)
    target = os.path.join(folder, name + ".npy")
    subprocess.run([options.nearsort, "embed", source, "--output", target, "--role", role, *options.embed], check=True)
    with open(target, "rb") as file:
        file.seek(8)
        (length,) = struct.unpack("<H", file.read(2))
        rows, dim = eval(file.read(length).strip())["shape"]
        numbers = array.array("f", file.read())
    with open(source, encoding="utf-8") as lines:
        ids = [json.loads(line)["_id"] for line in lines]
    assert len(ids) == rows, f"{name}: {len(ids)} rows, {rows} vectors"
    return {id: numbers[i * dim : (i + 1) * dim] for i, id in enumerate(ids)}


def ndcg_at_10(ranking, grades):
    gain = lambda order: sum(g / math.log2(rank + 1) for rank, g in enumerate(order[:10], 1))
    ideal = gain(sorted((g for g in grades.values() if g > 0), reverse=True))
    return gain([max(grades.get(d, 0), 0) for d in ranking]) / ideal if ideal else 0.0


qrels = collections.defaultdict(dict)
with open(os.path.join(options.collection, "qrels.tsv")) as lines:
    next(lines)
    for line in lines:
        query, document, grade = line.split("\t")
        qrels[query][document] = int(grade)
run = collections.defaultdict(list)
with open(os.path.join(options.collection, "bm25.trec")) as lines:
    for line in lines:
        query, _, document, rank, score, _ = line.split()
        run[query].append((-float(score), int(rank), document))
with tempfile.TemporaryDirectory() as folder:
    queries = vectors("queries.jsonl", "query", folder)
    corpus = vectors("corpus.jsonl", "document", folder)
before, after = [], []
for query, hits in run.items():
    if query not in qrels:
        continue
    candidates = [document for *_, document in sorted(hits)][: options.depth]
    before.append(ndcg_at_10(candidates, qrels[query]))
    cosine = {d: sum(a * b for a, b in zip(queries[query], corpus[d])) for d in candidates}
    after.append(ndcg_at_10(sorted(candidates, key=lambda d: -cosine[d]), qrels[query]))
print(f"{len(after)} queries  nDCG@10 first stage {sum(before) / len(before):.4f}  reranked {sum(after) / len(after):.4f}")
