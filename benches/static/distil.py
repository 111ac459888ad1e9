#!/usr/bin/env python3
"""Measures static models distilled from all-MiniLM-L6-v2 as a first stage, beside BM25.

    python3 benches/static/distil.py prepare ../shared/data WORK
    for c in cranfield dl19 scifact; do
      nearsort rerank -q --query-file WORK/$c.queries.tsv --scoring hybrid --top-k 10 --format trec \\
        -o WORK/$c.hybrid.trec WORK/$c.corpus.jsonl
    done
    python3 benches/static/distil.py measure WORK --model-dir DIR

`prepare` writes queries and corpora (title and text joined). `measure` prints, for every variant, the
share of the default's ten best (the runs above: every document of the corpus, ranked by the default
scoring) that are among the 200 best of the variant. Needs numpy, torch, transformers and tokenizers.

A variant is: the word embeddings, or the mean of the hidden states of each token passed through the
model alone; PCA over the tokens to so many dimensions (not weighted, or weighted by frequency); token
weights a / (a + p), with p by Zipf's law over the token ids (a = 1e-4, as model2vec) or counted in the
three corpora (a = 1e-3 unless given). A text's vector is the mean of its tokens without [UNK], of
length 1.
"""

import argparse
import collections
import json
import math
import pathlib
import re

import numpy as np

COLLECTIONS = ("cranfield", "dl19", "scifact")
DEPTH = 200
UNKNOWN = 100


def rows(path):
    """The objects of a JSONL file."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def prepare(data, work):
    """Writes queries and corpora as nearsort reads them."""
    work.mkdir(parents=True, exist_ok=True)
    for name in COLLECTIONS:
        with open(work / f"{name}.queries.tsv", "w", encoding="utf-8") as out:
            for row in rows(data / name / "queries.jsonl"):
                out.write(f"{row['_id']}\t{' '.join(row['text'].split())}\n")
        with open(work / f"{name}.corpus.jsonl", "w", encoding="utf-8") as out:
            for row in rows(data / name / "corpus.jsonl"):
                text = f"{row.get('title', '')} {row['text']}".strip()
                out.write(json.dumps({"id": row["_id"], "text": text}) + "\n")


class Collection:
    """A corpus and queries as token ids, and the default's ten best of each query."""

    def __init__(self, work, name, tokenizer):
        corpus = rows(work / f"{name}.corpus.jsonl")
        place = {row["id"]: at for at, row in enumerate(corpus)}
        best = collections.defaultdict(list)
        for line in open(work / f"{name}.hybrid.trec", encoding="utf-8"):
            query, _, document, *_ = line.split()
            best[query].append(place[document])
        queries = [line.rstrip("\n").split("\t") for line in open(work / f"{name}.queries.tsv", encoding="utf-8")]
        queries = [query for query in queries if query[0] in best]
        encode = lambda texts: [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        self.texts, self.queries = [row["text"] for row in corpus], [text for _, text in queries]
        self.documents, self.asked = encode(self.texts), encode(self.queries)
        self.best = [best[name][:10] for name, _ in queries]

    def recall(self, scores):
        """Mean share of the ten best among the DEPTH best of each row of scores."""
        found = lambda row, best: np.isin(best, np.argsort(-row, kind="stable")[:DEPTH]).mean()
        return np.mean([found(row, best) for row, best in zip(scores, self.best)])

    def bm25(self, k1=0.9, b=0.4):
        """BM25 over lower-case words, without stemming."""
        words = lambda text: re.findall(r"[a-z0-9]+", text.lower())
        documents = [words(text) for text in self.texts]
        length = np.array([len(document) for document in documents])
        postings = collections.defaultdict(list)
        for at, document in enumerate(documents):
            for word, count in collections.Counter(document).items():
                postings[word].append((at, count))
        scores = np.zeros((len(self.queries), len(documents)))
        for at, query in enumerate(self.queries):
            for word in filter(postings.get, words(query)):
                place, count = np.array(postings[word]).T
                idf = math.log(1 + (len(documents) - len(place) + 0.5) / (len(place) + 0.5))
                scores[at, place] += idf * count * (k1 + 1) / (count + k1 * (1 - b + b * length[place] / length.mean()))
        return scores

    def by_table(self, table):
        """Cosines of queries and documents by a table of token vectors."""
        return vectors(table, self.asked) @ vectors(table, self.documents).T


def vectors(table, texts):
    """The mean of each text's token vectors, of length 1."""
    out = np.zeros((len(texts), table.shape[1]))
    for at, ids in enumerate(texts):
        ids = [token for token in ids if token != UNKNOWN]
        out[at] = table[ids].mean(0) if ids else 0
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def pca(table, dimensions, weights=None):
    """The table in its first principal components."""
    weights = np.ones(len(table)) if weights is None else weights
    weights = weights / weights.sum()
    centred = table - weights @ table
    values, directions = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    return centred @ directions[:, np.argsort(-values)[:dimensions]]


def tables_of(model_dir):
    """The word embeddings, and each token passed through the model alone."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(model_dir).eval()
    words, alone = model.embeddings.word_embeddings.weight.detach().numpy().astype(np.float64), []
    with torch.inference_mode():
        for first in range(0, len(words), 1024):
            ids = torch.tensor([[101, token, 102] for token in range(first, min(len(words), first + 1024))])
            alone.append(model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.mean(1).numpy())
    return {"words": words, "alone": np.concatenate(alone).astype(np.float64)}


def variants(name, table, frequency):
    """(name, table) of each variant."""
    zipf = 1 / np.arange(2, len(table) + 2)
    by_zipf, by_corpus = 1e-4 / (1e-4 + zipf / zipf.sum()), 1e-3 / (1e-3 + frequency)
    for weight_name, weight in (("none", np.ones(len(table))), ("zipf", by_zipf), ("corpus", by_corpus)):
        for dimensions in (384, 256, 128):
            yield f"{name} pca{dimensions} {weight_name}", pca(table, dimensions) * weight[:, None]
    yield f"{name} raw corpus", table * by_corpus[:, None]
    yield f"{name} centred-by-frequency corpus", (table - frequency @ table) * by_corpus[:, None]
    for dimensions in (384, 256):
        yield f"{name} pca{dimensions}-by-frequency corpus", pca(table, dimensions, frequency) * by_corpus[:, None]
    yield f"{name} pca256 less first corpus", pca(table, 257)[:, 1:] * by_corpus[:, None]
    for a in (1e-4, 3e-4, 3e-3):
        yield f"{name} pca256 corpus a={a}", pca(table, 256) * (a / (a + frequency))[:, None]


def measure(work, model_dir):
    """Prints the recall of BM25 and of every variant."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    names = [name for name in COLLECTIONS if (work / f"{name}.hybrid.trec").exists()]
    found = [Collection(work, name, tokenizer) for name in names]
    print(f"{'':42}" + "".join(f"{name:>12}" for name in names))
    show = lambda name, scores: print(f"{name:42}" + "".join(f"{c.recall(scores(c)):12.4f}" for c in found), flush=True)
    show("BM25 (k1 .9, b .4)", Collection.bm25)
    counts = np.full(tokenizer.get_vocab_size(), 0.5)
    for collection in found:
        for ids in collection.documents:
            np.add.at(counts, ids, 1)
    for name, table in tables_of(model_dir).items():
        for variant, weighted in variants(name, table, counts / counts.sum()):
            show(variant, lambda collection: collection.by_table(weighted))


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare")
    first.add_argument("data", type=pathlib.Path)
    second = commands.add_parser("measure")
    second.add_argument("--model-dir", type=pathlib.Path, required=True)
    for command in (first, second):
        command.add_argument("work", type=pathlib.Path)
    args = parser.parse_args()
    prepare(args.data, args.work) if args.command == "prepare" else measure(args.work, args.model_dir)


if __name__ == "__main__":
    main()
