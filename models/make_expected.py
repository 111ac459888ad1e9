#!/usr/bin/env python3
"""Writes the numbers that nearsort's tests compare with.

    pip install -r models/requirements.txt
    python models/make_expected.py parity --model-dir DIR   # all-MiniLM-L6-v2 as on the hub
    python models/make_expected.py tiny                     # needs no download
    python models/make_expected.py cross                    # nor does this
    python models/make_expected.py variants                 # nor this; needs the tiny ones
    python models/make_expected.py static                   # nor this

`parity` writes, from sentence-transformers on the CPU in f32, one text at a time:
    parity/texts.jsonl                     {"id", "text"}, one per line
    parity/all-MiniLM-L6-v2.safetensors    embeddings f32 [n, 384], tokens u32 [n],
                                           truncated u8 [n]; versions in the metadata
    parity/eiffel.json                     the example of the README: texts and cosine scores
    parity/late_interaction.json           cosine and MaxSim of queries with documents
    golden/all-MiniLM-L6-v2.json           four short texts with their full vectors
`tiny` writes models/tiny-*/: checkpoints of random weights in the layout of the
hub, each with an expected.json (see tiny_models.py).
`cross` writes models/cross-tiny-*/: the same for cross-encoders (see cross_encoders.py,
modular_cross_encoders.py and logit_score.py).
`variants` writes models/variants/: tiny models with other files (see variants.py).
`static` writes models/static-tiny*/: static models, by model2vec and sentence-transformers (see
static_models.py).

Every text is encoded alone, so that padding has no part in the numbers. Running
this twice writes the same bytes; other versions of torch may differ in the last
bits of a float, far below the tests' tolerance.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import pathlib

os.environ["HF_HUB_OFFLINE"] = "1"  # everything comes from local files

import numpy as np
import safetensors.numpy
import torch
from sentence_transformers import SentenceTransformer

from cross_encoders import write_cross
from logit_score import write_logit_score
from modular_cross_encoders import write_modular
from parity_texts import parity_texts
from tiny_models import write_tiny
from variants import write_variants

HERE = pathlib.Path(__file__).resolve().parent
MODEL = "all-MiniLM-L6-v2"
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers", "safetensors", "numpy")
GOLDEN = ("eiffel-query", "eiffel-berlin", "latin-german", "code-rust")
EIFFEL = {"eiffel-berlin": 0.7907, "eiffel-capital": 0.3370, "eiffel-cuisine": 0.2621}
SCORE_TOLERANCE = 1e-4


def versions():
    """Package versions, for the record inside every written file."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    found["torch"] = found["torch"].split("+")[0]
    return found


def write(path, text):
    """Writes one text file with Unix line ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def dump(value):
    """Compact JSON of ASCII characters, so that no invisible character hides in a file."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def rounded(vector):
    """f32 values at seven significant digits."""
    return [float(f"{x:.7g}") for x in np.asarray(vector, dtype=np.float32).tolist()]


def token_count(model, text):
    """Token ids of `text` before truncation, special tokens included."""
    return len(model.tokenizer(text, truncation=False, verbose=False)["input_ids"])


def write_parity(model_dir):
    """Writes parity/ and golden/ from the real model in `model_dir`."""
    weights = pathlib.Path(model_dir, "model.safetensors").read_bytes()
    if hashlib.sha256(weights).hexdigest() != MODEL_SHA256:
        raise SystemExit(f"{model_dir}/model.safetensors is not {MODEL}: its sha256 differs")
    model = SentenceTransformer(model_dir, device="cpu")
    rows = parity_texts(lambda text: token_count(model, text))
    ids = [name for name, _ in rows]
    assert len(set(ids)) == len(ids), "duplicate id"
    vectors = np.stack([model.encode(text, normalize_embeddings=False) for _, text in rows])
    counts = np.array([token_count(model, text) for _, text in rows])
    limit = model.max_seq_length
    write(HERE / "parity/texts.jsonl", "".join(dump({"id": i, "text": t}) + "\n" for i, t in rows))
    about = {"model": MODEL, "model_sha256": MODEL_SHA256, "versions": versions()}
    tensors = {
        "embeddings": vectors,
        "tokens": np.minimum(counts, limit).astype(np.uint32),
        "truncated": (counts > limit).astype(np.uint8),
    }
    # One metadata key only: safetensors does not write several in a fixed order.
    safetensors.numpy.save_file(
        tensors, HERE / f"parity/{MODEL}.safetensors", metadata={"about": dump(about)}
    )
    write_examples(about, dict(rows), dict(zip(ids, vectors)))


def write_examples(about, texts, vectors):
    """Writes the Eiffel Tower scores, checked against the known ones, and the golden vectors."""
    candidates = []
    for name, known in EIFFEL.items():
        score = float(vectors["eiffel-query"].astype(np.float64) @ vectors[name].astype(np.float64))
        assert abs(score - known) < SCORE_TOLERANCE, (name, score, known)
        candidates.append({"text": texts[name], "score": round(score, 6)})
    eiffel = {**about, "query": texts["eiffel-query"], "candidates": candidates}
    write(HERE / "parity/eiffel.json", json.dumps(eiffel, indent=2) + "\n")
    golden = [{"text": texts[name], "embedding": rounded(vectors[name])} for name in GOLDEN]
    write(HERE / f"golden/{MODEL}.json", dump({**about, "texts": golden}) + "\n")


QUERIES = ("eiffel-query", "word-4", "sentence-6", "latin-german", "code-regex", "order-flight-a")
DOCUMENTS = ("eiffel-berlin", "eiffel-capital", "sentence-0", "sentence-6", "cyrillic-russian", "emoji-faces", "words-120", "words-800", "punctuation-ascii")


def write_late_interaction(model_dir):
    """Writes cosine and MaxSim (mean over the query's tokens, special tokens left out) of every query with every document, in f64."""
    model = SentenceTransformer(model_dir, device="cpu")
    texts = {row["id"]: row["text"] for row in map(json.loads, open(HERE / "parity/texts.jsonl", encoding="utf-8"))}

    def encode(name):
        with torch.inference_mode():
            features = model.tokenizer(texts[name], truncation=True, max_length=model.max_seq_length, return_tensors="pt")
            hidden = model[0].auto_model(**features).last_hidden_state[0].double().numpy()
        unit = lambda rows: rows / np.linalg.norm(rows, axis=-1, keepdims=True)
        return unit(hidden.mean(0)), unit(hidden[1:-1])

    encoded = {name: encode(name) for name in {*QUERIES, *DOCUMENTS}}
    pairs = []
    for query in QUERIES:
        for document in DOCUMENTS:
            (q, q_tokens), (d, d_tokens) = encoded[query], encoded[document]
            maxsim = (q_tokens @ d_tokens.T).max(1).mean()
            pairs.append({"query": query, "document": document, "cosine": round(float(q @ d), 7), "maxsim": round(float(maxsim), 7)})
    about = {"model": MODEL, "model_sha256": MODEL_SHA256, "versions": versions()}
    lines = ",\n".join("  " + dump(pair) for pair in pairs)
    write(HERE / "parity/late_interaction.json", f'{{"about":{dump(about)},"pairs":[\n{lines}\n]}}\n')


def main():
    """Reads the command line and writes what it names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    parity = commands.add_parser("parity", help="numbers of the real model")
    parity.add_argument("--model-dir", required=True, help=f"folder of {MODEL} as on the hub")
    tiny = commands.add_parser("tiny", help="tiny random checkpoints and their numbers")
    cross = commands.add_parser("cross", help="tiny random cross-encoders and their numbers")
    variants = commands.add_parser("variants", help="tiny models with other files and their numbers")
    static = commands.add_parser("static", help="tiny random static models and their numbers")
    for command in (tiny, cross, variants, static):
        command.add_argument("--out", type=pathlib.Path, default=HERE, help="where to put the folders")
    args = parser.parse_args()
    torch.set_num_threads(1)  # one order of summation on every machine
    torch.use_deterministic_algorithms(True)
    if args.command == "parity":
        write_parity(args.model_dir)
        write_late_interaction(args.model_dir)
    elif args.command == "tiny":
        write_tiny(args.out, versions())
    elif args.command == "variants":
        write_variants(args.out, versions())
    elif args.command == "static":
        from static_models import write_static  # needs model2vec, which the others do not

        write_static(args.out, {**versions(), "model2vec": importlib.metadata.version("model2vec")})
    else:
        write_cross(args.out, versions())
        write_modular(args.out, versions())
        write_logit_score(args.out, versions())


if __name__ == "__main__":
    main()
