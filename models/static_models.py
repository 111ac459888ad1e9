"""Tiny static models: a table of random token vectors, with vectors by model2vec and sentence-transformers."""

import json

import numpy as np
import safetensors.numpy
import torch
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from tiny_models import TEXTS, random_tensor, write_json
from tiny_tokenizers import unigram, wordpiece

UNKNOWN = "試"  # no token of any vocabulary here
WIDTH = 24
CLUSTERS = 50

# limit: model2vec's max_length, sentence-transformers' truncation in tokenizer.json; "absent" leaves it out.
MODELS = {
    "static-tiny": {"tokenizer": wordpiece, "folder": "0_StaticEmbedding", "normalize": True},
    "static-tiny-f16": {"tokenizer": wordpiece, "folder": "", "dtype": np.float16, "limit": 12},
    "static-tiny-prompts": {
        "tokenizer": unigram,
        "folder": "0_StaticEmbedding",
        "prompts": {"query": "search: ", "document": "harbour: "},
    },
    "static-tiny-model2vec": {"tokenizer": wordpiece, "model2vec": True, "normalize": True, "limit": 20, "weights": True},
    "static-tiny-model2vec-i8": {"tokenizer": wordpiece, "model2vec": True, "limit": None, "dtype": np.int8, "mapping": True, "weights": True},
    "static-tiny-model2vec-f16": {"tokenizer": unigram, "model2vec": True, "normalize": True, "limit": "absent", "dtype": np.float16},
}


def tensors(name, spec, tokens):
    """The tensors of one model."""
    rows = CLUSTERS if spec.get("mapping") else tokens
    table = random_tensor(f"{name}.embeddings", (rows, WIDTH)).numpy()
    dtype = spec.get("dtype", np.float32)
    table = np.rint(table * 60).clip(-127, 127).astype(dtype) if dtype == np.int8 else table.astype(dtype)
    if not spec.get("model2vec"):
        return {"embedding.weight": table}
    found = {"embeddings": table}
    if spec.get("mapping"):
        found["mapping"] = (np.arange(tokens, dtype=np.int64) * 7) % rows
    if spec.get("weights"):
        found["weights"] = (1.0 / (1.0 + np.arange(tokens) % 5)).astype(np.float32)
    return found


def write_files(folder, name, spec):
    """The files of one model."""
    tokenizer = spec["tokenizer"]()
    tokenizer.no_padding()
    limit = spec.get("limit")
    if isinstance(limit, int):
        tokenizer.enable_truncation(limit)
    own = folder / spec.get("folder", "")
    own.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(own / "tokenizer.json"), pretty=False)
    safetensors.numpy.save_file(tensors(name, spec, tokenizer.get_vocab_size()), own / "model.safetensors")
    path = "." if spec.get("model2vec") else spec["folder"]
    modules = [{"idx": 0, "name": "0", "path": path, "type": "sentence_transformers.models.StaticEmbedding"}]
    if spec.get("normalize"):
        modules.append({"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"})
    write_json(folder / "modules.json", modules)
    if spec.get("model2vec"):
        config = {
            "model_type": "model2vec",
            "architectures": ["StaticModel"],
            "tokenizer_name": "random",
            "apply_pca": WIDTH,
            "sif_coefficient": 1e-4,
            "hidden_dim": WIDTH,
            "seq_length": 1000000,
            "normalize": bool(spec.get("normalize")),
            "embedding_dtype": np.dtype(spec.get("dtype", np.float32)).name,
        }
        if limit != "absent":
            config["max_length"] = limit
        write_json(folder / "config.json", config)
    else:
        prompts = {"prompts": spec.get("prompts", {}), "default_prompt_name": None, "similarity_fn_name": "cosine"}
        write_json(folder / "config_sentence_transformers.json", prompts)


def by_model2vec(folder):
    """encode(text, role) -> (vector, number of tokens, whether the text was cut) by model2vec."""
    model = StaticModel.from_pretrained(folder)

    def encode(text, role):
        part = text if model.max_length is None else text[: model.max_length * model.median_token_length]
        whole = Tokenizer.from_str(model.tokenizer.to_str())
        whole.no_truncation()
        ids = model.tokenize([part])[0]
        cut = len(part) < len(text) or len(whole.encode(part, add_special_tokens=False).ids) > (model.max_length or 10**9)
        return model.encode([text])[0].astype(np.float32), len(ids), cut

    return encode


def by_sentence_transformers(folder):
    """The same by sentence-transformers."""
    model = SentenceTransformer(str(folder), device="cpu")
    whole = Tokenizer.from_str(model[0].tokenizer.to_str())
    whole.no_truncation()

    def encode(text, role):
        prompt = model.prompts.get(role) or ""
        ids = model[0].tokenizer.encode(prompt + text, add_special_tokens=False).ids
        one = model.encode_query if role == "query" else model.encode_document
        cut = len(whole.encode(prompt + text, add_special_tokens=False).ids) > len(ids)
        return one(text).astype(np.float32), len(ids), cut

    return encode


def write_static(out, versions):
    """Writes every folder of MODELS under `out`, each with an expected.json."""
    for name, spec in MODELS.items():
        folder = out / name
        write_files(folder, name, spec)
        with torch.no_grad():
            encode = by_model2vec(folder) if spec.get("model2vec") else by_sentence_transformers(folder)
            rows = []
            for text in [*TEXTS, UNKNOWN, f"{UNKNOWN} the harbour {UNKNOWN}"]:
                for role in ("document", "query"):
                    vector, tokens, cut = encode(text, role)
                    vector = [float(f"{x:.7g}") for x in vector.tolist()]
                    rows.append({"text": text, "role": role, "tokens": tokens, "truncated": cut, "embedding": vector})
        lines = ",\n    ".join(json.dumps(row, separators=(",", ":")) for row in rows)
        about = {"model": name, "reference": "model2vec" if spec.get("model2vec") else "sentence-transformers", "versions": versions}
        text = json.dumps(about, indent=2)[:-2] + f',\n  "rows": [\n    {lines}\n  ]\n}}\n'
        (folder / "expected.json").write_text(text, encoding="utf-8", newline="\n")
