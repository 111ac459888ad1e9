#!/usr/bin/env python3
"""Writes tiny ColBERT checkpoints of random weights, and what PyLate computes with them.

    pip install -r models/requirements-colbert.txt
    python models/colbert.py                                # needs no download

One row of MODELS makes one folder in the layout of the hub: PyLate's (modules.json
with Dense modules and no Pooling, the options in config_sentence_transformers.json),
or Stanford's (`HF_ColBERT`, artifact.metadata, `linear.weight` beside the encoder).
expected.json has, for each text and role, what PyLate's `tokenize` and `encode` give,
one text at a time, and `colbert_scores` of every query with every document:

    {"model", "reference", "versions", "weights_sha256": {file: hash},
     "contract": {"token_dim", "query_length", "document_length", "expands", "attends"},
     "rows": [{"text", "role", "ids", "attended", "kept", "vectors"}],
     "queries": [text], "documents": [text], "scores": [[sum over the query's tokens]]}

`ids` hold prefix, special and expansion tokens; `attended` is how many of them,
from the first, the other tokens see; `kept` are the positions of the vectors that
count, which the skip list leaves.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import pathlib
import string

os.environ["HF_HUB_OFFLINE"] = "1"  # everything comes from local files

import safetensors.torch
import torch
import transformers
from pylate import models, scores

import tiny_configs as configs
import tiny_tokenizers as tokenizers
from parity_texts import words_of_prose
from tiny_models import random_tensor, shapes_of_class, write_json

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ("pylate", "torch", "transformers", "sentence-transformers", "tokenizers", "safetensors")

QUERIES = [
    "harbour",
    "When does the ferry leave the northern pier?",
    "",
    words_of_prose(40, seed=5),  # longer than every limit
]
DOCUMENTS = [
    "The ferry leaves the northern pier at seven and comes back after dark.",
    "The dog bit the man.",
    "?!... -- ;",  # some skip lists leave nothing of the text itself
    "  Two spaces, and more behind.  ",
    "水 火 山 and 🚀🌍, ~tilde~",
    "[Q] [D] [MASK] [unused0] <mask> [Q] Capitals",
    "",
    words_of_prose(60, seed=7),  # longer than every limit
]

SMALL = {"hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 40}
IDENTITY = "torch.nn.modules.linear.Identity"
TANH = "torch.nn.modules.activation.Tanh"
PUNCTUATION = list(string.punctuation)

# config, tokenizer: functions of the two modules; fields: what config.json has instead. dense: one dict per
# module. options: of config_sentence_transformers.json, over those that PyLate writes. metadata: Stanford's.
MODELS = {
    "colbert-tiny-bert": dict(
        config=configs.bert_config,
        tokenizer=lambda: tokenizers.wordpiece(contradiction=True),
        dense=[dict(out=12)],
        options=dict(query_length=16, document_length=32),
    ),
    "colbert-tiny-bert-attend": dict(
        config=configs.bert_config,
        tokenizer=lambda: tokenizers.wordpiece(lowercase=False),
        lower_case=True,
        dense=[dict(out=20, bias=True, activation=TANH, residual=True), dict(out=20, residual=True), dict(out=12)],
        options=dict(
            query_length=24,
            document_length=20,
            attend_to_expansion_tokens=True,
            skiplist_words=["the", ".", "~", "[D] "],  # no token is "~": PyLate skips unknown ones then
            prompts={"query": "find: ", "document": "page: "},
        ),
    ),
    "colbert-tiny-modernbert": dict(
        config=configs.modernbert_config,
        tokenizer=tokenizers.modernbert_bpe,
        dense=[dict(out=12)],
        options=dict(query_length=14, document_length=36),
    ),
    "colbert-tiny-roberta": dict(
        config=configs.roberta_config,
        tokenizer=tokenizers.roberta_bpe,
        dense=[dict(out=12, bias=True)],
        options=dict(
            query_prefix="", query_length=16, document_length=30, do_query_expansion=False, skiplist_words=[]
        ),
    ),
    "colbert-tiny-stanford": dict(
        config=configs.bert_config,
        tokenizer=tokenizers.wordpiece,
        stanford=12,
        metadata=dict(
            query_token_id="[unused0]",
            doc_token_id="[unused1]",
            query_token="[Q]",
            doc_token="[D]",
            query_maxlen=16,
            doc_maxlen=28,
            attend_to_mask_tokens=False,
            mask_punctuation=True,
            similarity="cosine",
            dim=12,
        ),
    ),
}
SPECIAL = {
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "mask_token": ("[MASK]", "<mask>"),
}


def write_tokenizer(folder, spec, options):
    """tokenizer.json and tokenizer_config.json; returns the number of tokens."""
    tokenizer = spec["tokenizer"]()
    path = folder / "tokenizer.json"
    if "stanford" in spec:  # as in BERT's vocabulary: ordinary tokens
        tokenizer.save(str(path))
        file = json.loads(path.read_text(encoding="utf-8"))
        for name in ("[unused0]", "[unused1]"):
            file["model"]["vocab"][name] = len(file["model"]["vocab"])
        path.write_text(json.dumps(file, separators=(",", ":")), encoding="utf-8", newline="\n")
        size = len(file["model"]["vocab"])
    else:
        tokenizer.add_tokens([prefix for prefix in (options["query_prefix"], options["document_prefix"]) if prefix])
        tokenizer.save(str(path), pretty=False)
        size = tokenizer.get_vocab_size()
    known = {token["content"] for token in json.loads(path.read_text(encoding="utf-8"))["added_tokens"]}
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}
    for role, choices in SPECIAL.items():
        names.update({role: choice for choice in choices if choice in known})
    write_json(folder / "tokenizer_config.json", names)
    return size


def write_dense(folder, width, out, bias=False, activation=IDENTITY, residual=False):
    """A Dense module as PyLate saves it."""
    settings = {"in_features": width, "out_features": out, "bias": bias, "activation_function": activation}
    write_json(folder / "config.json", {**settings, "use_residual": residual})
    shapes = {"linear.weight": (out, width)}
    if bias:
        shapes["linear.bias"] = (out,)
    if residual and out != width:
        shapes["residual.weight"] = (out, width)
    tensors = {name: random_tensor(f"{folder.name}.{name}", shape) for name, shape in shapes.items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    return out


def write_pylate(folder, spec, width, options):
    """modules.json and what PyLate saves beside the encoder."""
    kinds = [("", "sentence_transformers.models.Transformer")]
    for index, dense in enumerate(spec["dense"], 1):
        (folder / f"{index}_Dense").mkdir(exist_ok=True)
        width = write_dense(folder / f"{index}_Dense", width, **dense)
        kinds.append((f"{index}_Dense", "pylate.models.Dense.Dense"))
    modules = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(kinds)]
    write_json(folder / "modules.json", modules)
    about = {"max_seq_length": 11, "do_lower_case": spec.get("lower_case", False)}  # which PyLate overrides
    write_json(folder / "sentence_bert_config.json", about)
    write_json(folder / "config_sentence_transformers.json", options)


def options_of(spec):
    """config_sentence_transformers.json with the defaults of PyLate."""
    return {
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "MaxSim",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": 32,
        "document_length": 180,
        "attend_to_expansion_tokens": False,
        "skiplist_words": PUNCTUATION,
        "do_query_expansion": True,
        **spec.get("options", {}),
    }


def write_folder(folder, spec):
    """All files but expected.json."""
    folder.mkdir(exist_ok=True)
    options = options_of(spec)
    config = spec["config"](write_tokenizer(folder, spec, options))
    config.update(SMALL)
    if config["model_type"] == "modernbert":
        config.update(num_hidden_layers=3, global_attn_every_n_layers=2)
        config.pop("layer_types", None)
    config["torch_dtype"] = "float32"
    tensors = {name: random_tensor(name, shape) for name, shape in shapes_of_class(config).items()}
    if "stanford" in spec:
        config["architectures"] = ["HF_ColBERT"]
        tensors = {f"bert.{name}": value for name, value in tensors.items()}
        tensors["linear.weight"] = random_tensor("linear.weight", (spec["stanford"], config["hidden_size"]))
        write_json(folder / "artifact.metadata", spec["metadata"])
    else:
        write_pylate(folder, spec, config["hidden_size"], options)
    write_json(folder / "config.json", config)
    safetensors.torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def row(model, text, role):
    """One text as PyLate tokenizes and encodes it."""
    is_query = role == "query"
    prompt = model.prompts.get(role) or ""
    features = model.tokenize([prompt + text], is_query=is_query)
    whole = model.encode([text], prompt=prompt, is_query=is_query, output_value=None, show_progress_bar=False)
    vectors = model.encode([text], prompt=prompt, is_query=is_query, show_progress_bar=False)[0]
    ids, mask = features["input_ids"][0].tolist(), features["attention_mask"][0].tolist()
    kept = [i for i, keep in enumerate(whole["masks"][0].tolist()) if keep]
    assert mask == sorted(mask, reverse=True), mask  # those that are seen come first
    assert ids == whole["input_ids"][0].tolist() and len(kept) == len(vectors)
    rows = [[float(f"{x:.6g}") for x in vector] for vector in vectors.tolist()]
    return vectors, {"text": text, "role": role, "ids": ids, "attended": sum(mask), "kept": kept, "vectors": rows}


def scores_of(queries, documents):
    """PyLate's MaxSim, pair by pair: the sum over the query's tokens."""

    def score(query, document):
        value = scores.colbert_scores(torch.tensor(query)[None], torch.tensor(document)[None])
        return float(f"{value.item():.7g}")

    return [[score(query, document) for document in documents] for query in queries]


def write_expected(folder, versions):
    """expected.json: one line per row."""
    model = models.ColBERT(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    model.eval()
    pairs = [(text, "query") for text in QUERIES] + [(text, "document") for text in DOCUMENTS]
    found = [row(model, text, role) for text, role in pairs]
    vectors = [vectors for vectors, _ in found]
    table = scores_of(vectors[: len(QUERIES)], vectors[len(QUERIES) :])
    files = sorted(folder.rglob("*.safetensors"))
    about = {
        "model": folder.name,
        "reference": "pylate.models.ColBERT.encode and pylate.scores.colbert_scores",
        "versions": versions,
        "weights_sha256": {
            f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
        },
        "contract": {
            "token_dim": vectors[0].shape[1],
            "query_length": model.query_length,
            "document_length": model.document_length,
            "expands": model.do_query_expansion,
            "attends": model.attend_to_expansion_tokens,
        },
        "queries": QUERIES,
        "documents": DOCUMENTS,
    }
    rows = ",\n    ".join(json.dumps(row, separators=(",", ":")) for _, row in found)
    table = ",\n    ".join(json.dumps(line) for line in table)
    text = json.dumps(about, indent=2)[:-2] + f',\n  "scores": [\n    {table}\n  ],\n  "rows": [\n    {rows}\n  ]\n}}\n'
    (folder / "expected.json").write_text(text, encoding="utf-8", newline="\n")


def main():
    """Reads the command line and writes the folders."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="where to put the folders")
    args = parser.parse_args()
    torch.set_num_threads(1)  # one order of summation on every machine
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    versions = {name: importlib.metadata.version(name).split("+")[0] for name in PACKAGES}
    for name, spec in MODELS.items():
        write_folder(args.out / name, spec)
        write_expected(args.out / name, versions)


if __name__ == "__main__":
    main()
