"""One round of sentence-transformers for measure.py: fp16 on a GPU, f32 on the CPU. Writes its numbers as JSON."""

import argparse
import json
import time

started = time.perf_counter()
import torch
from sentence_transformers import SentenceTransformer


def main():
    options = read_options()
    on_cpu = options.device == "cpu"
    kind = torch.float32 if on_cpu else torch.float16
    model = SentenceTransformer(options.model, device=options.device, model_kwargs={"torch_dtype": kind})
    loading = time.perf_counter() - started
    texts, candidates = read(options.corpus), read(options.candidates)

    # First, with nothing warm, as in a process of its own.
    largest = max(options.batches)
    begun = time.perf_counter()
    query, *documents = encode(model, [options.query, *candidates], min(largest, len(candidates)))
    sorted(((float(query @ document), n) for n, document in enumerate(documents)), reverse=True)
    rerank = time.perf_counter() - begun

    rates, vectors, best = {}, None, 0.0
    for size in options.batches:
        encode(model, texts[: 2 * size], size)
        begun = time.perf_counter()
        found = encode(model, texts, size)
        rate = len(texts) / (time.perf_counter() - begun)
        rates[f"{size} texts"] = rate
        if rate > best:
            vectors, best = found, rate
    vectors = [[float(x) for x in row] for row in vectors]
    precision = "f32" if on_cpu else "fp16"
    with open(options.out, "w") as out:
        json.dump({"rates": rates, "vectors": vectors, "rerank": rerank, "loading": loading, "precision": precision}, out)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["--model", "--device", "--query", "--corpus", "--candidates", "--out"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--batches", required=True, type=lambda text: [int(size) for size in text.split(",")])
    return parser.parse_args()


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def encode(model, texts, size):
    """Vectors on the host, so that the device has finished."""
    return model.encode(texts, batch_size=size, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)


if __name__ == "__main__":
    main()
