"""Models that differ from a tiny one by a few files, and what sentence-transformers computes with them.

One row of VARIANTS makes one folder under models/variants/: the files that are other than in its base
model, and expected.json:

    {"base", "removed": [file], "versions", "max_tokens", "dim",
     "rows": [{"text", "role", "tokens", "truncated", "embedding"}]}

A test lays the files over a copy of models/BASE, from which it takes `removed` first. The reference is
sentence-transformers' encode_query and encode_document, one text at a time, in f32.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from sentence_transformers import SentenceTransformer

from parity_texts import words_of_prose
from tiny_models import random_tensor, write_json

TEXTS = [
    "",
    "harbour",
    "The ferry leaves the northern pier at seven and comes back after dark.",
    "Caf\u00e9 r\u00e9sum\u00e9 \u6c34 \U0001f680",
    "[CLS] THE [MASK] <s> harbour",
    words_of_prose(90, seed=31),  # longer than every limit
]
BERT = "tiny-bert"
ACTIVATION = "torch.nn.modules.activation."
IDENTITY = "torch.nn.modules.linear.Identity"


def pooling(mode="mean", width=32):
    return ("Pooling", {"embedding_dimension": width, "pooling_mode": mode, "include_prompt": True})


def dense(taken, given, activation="Tanh", **more):
    name = IDENTITY if activation == "Identity" else ACTIVATION + activation
    return ("Dense", {"in_features": taken, "out_features": given, "bias": True, "activation_function": name, **more})


def on_tokens(taken, given, activation="Identity", **more):
    return dense(taken, given, activation, module_input_name="token_embeddings", **more)


def norm(width):
    return ("LayerNorm", {"dimension": width})


NORMALIZE = ("Normalize", None)
NORMALIZE_TOKENS = ("Normalize", {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"})

# modules: what comes after the transformer, each with its config.json. files: other files, null for one that is
# taken away. edits: fields of a file of the base, null for one that is taken away.
VARIANTS = {
    "tokens-dense": dict(modules=[on_tokens(32, 20), pooling(width=20), NORMALIZE]),
    "tokens-dense-residual": dict(modules=[on_tokens(32, 20, "GELU", use_residual=True), pooling("cls", 20)]),
    "tokens-normalized": dict(modules=[NORMALIZE_TOKENS, pooling(), dense(32, 24, "SiLU")]),
    "residual": dict(modules=[pooling(), dense(32, 32, use_residual=True), NORMALIZE]),
    "residual-projected": dict(modules=[pooling(), dense(32, 12, "Sigmoid", use_residual=True, bias=False)]),
    "normalize-first": dict(modules=[pooling(), NORMALIZE, dense(32, 16), dense(16, 40, "ReLU")]),
    "normalize-twice": dict(modules=[pooling("lasttoken"), NORMALIZE, dense(32, 16, "Identity"), NORMALIZE]),
    "layer-norm": dict(modules=[pooling(), norm(32), dense(32, 24, "GELU"), norm(24), NORMALIZE]),
    "two-poolings": dict(modules=[pooling("cls"), on_tokens(32, 20), pooling("mean", 20), dense(20, 8)]),
    "own-name": dict(
        modules=[
            pooling(),
            dense(32, 16, module_output_name="aside"),
            dense(16, 32, module_input_name="aside", module_output_name="sentence_embedding"),
            ("Dropout", {"dropout": 0.5}),
            NORMALIZE,
        ]
    ),
    "limit-roberta": dict(
        base="tiny-roberta",
        removed=["sentence_bert_config.json"],
        files={"sentence_roberta_config.json": {"max_seq_length": 20, "do_lower_case": False}},
    ),
    "limit-in-order": dict(
        removed=["sentence_bert_config.json"],
        files={
            "sentence_xlnet_config.json": {"max_seq_length": 11},
            "sentence_albert_config.json": {"max_seq_length": 17},
            "sentence_camembert_config.json": {},
        },
    ),
    "limit-of-tokenizer": dict(
        removed=["sentence_bert_config.json"],
        edits={"tokenizer_config.json": {"model_max_length": None, "max_len": 20}},
    ),
    "limit-in-arguments": dict(
        edits={"sentence_bert_config.json": {"tokenizer_args": {"model_max_length": 14}}},
    ),
    "no-modules": dict(removed=["modules.json", "1_Pooling/config.json"]),
    "no-modules-causal": dict(base="tiny-qwen3", removed=["modules.json", "1_Pooling/config.json"]),
    "no-modules-not-causal-lm": dict(
        base="tiny-qwen3",
        removed=["modules.json", "1_Pooling/config.json"],
        edits={"config.json": {"architectures": ["Qwen3Model"]}},
    ),
    "cased": dict(edits={"tokenizer_config.json": {"do_lower_case": False}}),
    "case-left-out": dict(base="tiny-bert-cls", edits={"tokenizer_config.json": {"do_lower_case": None}}),
    "accents-kept": dict(edits={"tokenizer_config.json": {"strip_accents": False}}),
    "chinese-together": dict(edits={"tokenizer_config.json": {"tokenize_chinese_chars": False}}),
    "special-tokens-split": dict(edits={"tokenizer_config.json": {"split_special_tokens": True}}),
    "prefix-space": dict(base="tiny-roberta", edits={"tokenizer_config.json": {"add_prefix_space": True}}),
    "roberta-eps": dict(base="tiny-roberta", edits={"config.json": {"layer_norm_eps": None}}),
    "modernbert-eps": dict(base="tiny-modernbert", edits={"config.json": {"norm_eps": 0.05, "layer_norm_eps": 1e-05}}),
    "modernbert-angles": dict(
        base="tiny-modernbert",
        edits={
            "config.json": {
                "rope_parameters": {
                    "full_attention": {"rope_type": "default", "rope_theta": 500.0},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
                }
            }
        },
    ),
    "qwen3-angles": dict(
        base="tiny-qwen3",
        edits={"config.json": {"rope_parameters": {"rope_type": "default", "rope_theta": 300.0}}},
    ),
    "qwen3-bidirectional": dict(base="tiny-qwen3", edits={"config.json": {"is_causal": False}}),
    "qwen3-default-angles": dict(base="tiny-qwen3", edits={"config.json": {"rope_theta": None, "rope_scaling": None}}),
    "truncated-left": dict(edits={"tokenizer_config.json": {"truncation_side": "left"}}),
    "truncated-left-by-json": dict(
        base="tiny-roberta",
        edits={
            "tokenizer.json": {
                "truncation": {"direction": "Left", "max_length": 30, "strategy": "LongestFirst", "stride": 0}
            }
        },
    ),
    "truncated-left-with-prompt": dict(
        base="tiny-bert-cls", edits={"tokenizer_config.json": {"truncation_side": "left"}}
    ),
    "truncate-dim": dict(edits={"config_sentence_transformers.json": {"truncate_dim": 12}}),
}


def write_modules(folder, modules):
    """modules.json and the folders that it names."""
    kinds = [("", "sentence_transformers.base.modules.transformer.Transformer")]
    for place, (kind, config) in enumerate(modules, 1):
        path = f"{place}_{kind}"
        home = "base.modules" if kind in ("Dense", "Normalize") else "sentence_transformer.modules"
        kinds.append((path, f"sentence_transformers.{home}.{kind.lower().replace('layernorm', 'layer_norm')}.{kind}"))
        if config is not None:
            write_json(folder / path / "config.json", config)
        write_weights(folder / path, kind, config)
    entries = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(kinds)]
    write_json(folder / "modules.json", entries)


def write_weights(folder, kind, config):
    """The tensors of a Dense or a LayerNorm, seeded by their folder's and their own names."""
    shapes = {}
    if kind == "Dense":
        taken, given = config["in_features"], config["out_features"]
        shapes["linear.weight"] = (given, taken)
        if config["bias"]:
            shapes["linear.bias"] = (given,)
        if config.get("use_residual") and taken != given:
            shapes["residual.weight"] = (given, taken)
    if kind == "LayerNorm":
        shapes = {"norm.weight": (config["dimension"],), "norm.bias": (config["dimension"],)}
    if shapes:
        tensors = {name: random_tensor(f"{folder.name}.{name}", shape) for name, shape in shapes.items()}
        safetensors.torch.save_file(tensors, folder / "model.safetensors")


def write_edits(folder, base, edits):
    """Files of the base with other fields."""
    for file, fields in edits.items():
        content = json.loads((base / file).read_text(encoding="utf-8"))
        for field, value in fields.items():
            if value is None:
                content.pop(field, None)
            else:
                content[field] = value
        compact = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(compact + "\n", encoding="utf-8", newline="\n")


def laid_over(base, folder, removed, target):
    """The whole model in `target`."""
    shutil.copytree(base, target, dirs_exist_ok=True)
    (target / "expected.json").unlink()
    for file in removed:
        (target / file).unlink()
    if "modules.json" in [path.name for path in folder.iterdir()]:
        shutil.rmtree(target / "1_Pooling")
    shutil.copytree(folder, target, dirs_exist_ok=True)


def expected_rows(model):
    """One row per text and role."""
    limit = model.max_seq_length
    for role, encode in [("document", model.encode_document), ("query", model.encode_query)]:
        for text in TEXTS:
            prompted = model.prompts.get(role, "") + text
            full = len(model.tokenizer(prompted, truncation=False, verbose=False)["input_ids"])
            vector = [float(f"{x:.7g}") for x in np.asarray(encode(text), dtype=np.float32).tolist()]
            tokens = model.preprocess([prompted])["input_ids"].shape[1]
            yield {"text": text, "role": role, "tokens": tokens, "truncated": full > limit, "embedding": vector}


def write_expected(folder, about, rows):
    """expected.json, one row a line."""
    lines = ",\n    ".join(json.dumps(row, separators=(",", ":")) for row in rows)
    text = json.dumps(about, indent=2)[:-2] + f',\n  "rows": [\n    {lines}\n  ]\n}}\n'
    (folder / "expected.json").write_text(text, encoding="utf-8", newline="\n")


def write_variant(out, name, spec, versions):
    """One folder."""
    base, folder = out / spec.get("base", BERT), out / "variants" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if "modules" in spec:
        write_modules(folder, spec["modules"])
    for file, content in spec.get("files", {}).items():
        write_json(folder / file, content)
    write_edits(folder, base, spec.get("edits", {}))
    removed = spec.get("removed", [])
    with tempfile.TemporaryDirectory() as whole:
        laid_over(base, folder, removed, Path(whole))
        model = SentenceTransformer(whole, device="cpu", model_kwargs={"dtype": torch.float32})
        rows = list(expected_rows(model))
        about = {"base": base.name, "removed": removed, "versions": versions}
        about |= {"max_tokens": model.max_seq_length, "dim": len(rows[0]["embedding"])}
    write_expected(folder, about, rows)


def write_variants(out, versions):
    """Writes every folder of VARIANTS under `out`/variants."""
    for name, spec in VARIANTS.items():
        write_variant(out, name, spec, versions)
