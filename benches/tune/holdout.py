#!/usr/bin/env python3
"""Does what `nearsort tune` recommends help on queries that it did not see?

usage: holdout.py COLLECTION_DIR [--nearsort BIN] [further arguments of tune and rerank]

COLLECTION_DIR holds corpus.jsonl, queries.jsonl, qrels.tsv (query-id, corpus-id, score, with a header) and bm25.trec. tune
sees the judgements of half of the queries, drawn by a hash of their ids. What it recommends reranks the other half, beside the
default; `nearsort eval` compares them. Then tune sees all judgements. Needs Python's standard library only.
"""
import argparse, hashlib, json, pathlib, subprocess, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("collection", type=pathlib.Path)
parser.add_argument("--nearsort", default="target/release/nearsort")
options, further = parser.parse_known_args()
half_of = lambda query: hashlib.sha256(query.encode()).digest()[0] % 2


def nearsort(*words):
    return subprocess.run([options.nearsort, "-q", *map(str, words)], check=True, capture_output=True, text=True).stdout


def lines(name, column, separator, half, header):
    rows = (options.collection / name).read_text(encoding="utf-8").splitlines(keepends=True)
    head, rows = rows[:header], rows[header:]
    return "".join(head + [row for row in rows if half_of(row.split(separator)[column]) == half])


def tune(qrels):
    files = ["--queries", options.collection / "queries.jsonl", "--corpus", options.collection / "corpus.jsonl"]
    files += ["--run", options.collection / "bm25.trec"]
    found = json.loads(nearsort("tune", *files, "--qrels", qrels, "--format", "json", *further))
    print(f"  {found['judgements']['queries']} queries, default {found['current']['mean']:.4f}: {found['advice']}", flush=True)
    return found


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    for half in (0, 1):
        (folder / f"{half}.tsv").write_text(lines("qrels.tsv", 0, "\t", half, 1), encoding="utf-8")
        (folder / f"{half}.trec").write_text(lines("bm25.trec", 0, " ", half, 0), encoding="utf-8")
    print(options.collection.name)
    found = tune(folder / "0.tsv")
    if found["action"] == "change":
        files = ["--queries", options.collection / "queries.jsonl", "--corpus", options.collection / "corpus.jsonl"]
        files += ["--run", folder / "1.trec"]
        nearsort("rerank", *files, "--output", folder / "default.trec", *further)
        nearsort("rerank", *files, "--output", folder / "tuned.trec", *found["arguments"].split(), *further)
        runs = [folder / "default.trec", folder / "tuned.trec"]
        print(nearsort("eval", "--qrels", folder / "1.tsv", *runs, "--measures", "nDCG@10"), flush=True)
    tune(options.collection / "qrels.tsv")
