"""Tiny checkpoints of random weights, in the layout and with the names of the hub.

One row of MODELS makes one folder: config.json, tokenizer.json,
tokenizer_config.json, modules.json, 1_Pooling/, weights as safetensors, and
expected.json with, for each text and role, the token ids and the embedding that
the reference computes in f32, one text at a time:

    {"model", "reference", "versions", "weights_sha256": {file: hash},
     "contract": {"dim", "max_tokens", "pooling", "normalize", "query_prompt", "document_prompt"},
     "rows": [{"text", "role", "ids", "tokens", "truncated", "embedding"}]}

`ids` hold the prompt and the special tokens, after truncation; `tokens` is their
number. The reference is sentence-transformers where it can load the folder. It
cannot for JinaBERT and NomicBERT without code from the hub: NomicBERT goes
through transformers' own class, JinaBERT through `jina_hidden` below, written
after the public description of the architecture.

Weights are far larger than a trained model's initial ones, and biases and norm
weights are random too, so that a swapped tensor, a missing bias or a wrong
position moves the embedding by much more than the tests' tolerance.
"""

import hashlib
import json
import math
import zlib

import numpy as np
import safetensors.torch
import torch
import transformers
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

import tiny_configs as configs
import tiny_tokenizers as tokenizers
from parity_texts import CODE, words_of_prose

INSTRUCTION = "Instruct: Find the passage that answers the question\nQuery:"

TEXTS = [
    "",
    "harbour",
    "The ferry leaves the northern pier at seven and comes back after dark.",
    "The dog bit the man.",
    "The man bit the dog.",
    "A flight from Oslo to Rome",
    "A flight from Rome to Oslo",
    words_of_prose(90, seed=1),  # longer than every limit
    " ",
    "a",
    "THE SECOND CHAPTER, In Capitals",
    "café résumé naïve",
    "水 火 山 and 🚀🌍",
    "Поезд опоздал",
    "1961 + 39 = 2,000!",
    "?!... -- ;",
    "tab\tnewline\nnul\x00bell\x07 zero\u200bwidth",
    "[CLS] [MASK] <s> </s> <pad> <|endoftext|>",
    "no no no no no no no no",
    "unbelievablylongtokenwithoutanyspace",
    CODE[0][1],
    words_of_prose(10, seed=2),
    words_of_prose(17, seed=3),
    words_of_prose(30, seed=4),
    words_of_prose(120, seed=5),
]
QUERIES = 8  # the first texts are encoded as queries too


# --- tensors ------------------------------------------------------------------


def shapes_of_class(config):
    """Names and shapes of transformers' own base class, which are those of the hub."""
    settings = transformers.AutoConfig.for_model(**config)
    state = transformers.AutoModel.from_config(settings).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def jina_shapes(config):
    """JinaBERT: BERT without position embeddings, with a gated feed-forward part."""
    inner = config["intermediate_size"]
    bert = shapes_of_class({**config, "position_embedding_type": "absolute"})
    kept = {
        name: shape
        for name, shape in bert.items()
        if "position_embeddings" not in name
        and (".attention." in name or not name.startswith("encoder."))
    }
    for layer in range(config["num_hidden_layers"]):
        mlp = f"encoder.layer.{layer}.mlp"
        kept[f"{mlp}.gated_layers.weight"] = (2 * inner, config["hidden_size"])
        kept[f"{mlp}.wo.weight"] = (config["hidden_size"], inner)
        for name in ("wo.bias", "layernorm.weight", "layernorm.bias"):
            kept[f"{mlp}.{name}"] = (config["hidden_size"],)
    return kept


def nomic_shapes(config):
    """NomicBERT: fused query, key and value; no biases but those of the norms."""
    hidden, inner = config["n_embd"], config["n_inner"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
    }
    norms = ["emb_ln"]
    for layer in range(config["n_layer"]):
        at = f"encoder.layers.{layer}"
        shapes[f"{at}.attn.Wqkv.weight"] = (3 * hidden, hidden)
        shapes[f"{at}.attn.out_proj.weight"] = (hidden, hidden)
        shapes[f"{at}.mlp.fc11.weight"] = shapes[f"{at}.mlp.fc12.weight"] = (inner, hidden)
        shapes[f"{at}.mlp.fc2.weight"] = (hidden, inner)
        norms += [f"{at}.norm1", f"{at}.norm2"]
    for norm in norms:
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (hidden,)
    return shapes


def random_tensor(name, shape):
    """Seeded by the name alone: a matrix of gain 1.5, norms around 1, biases around 0."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) == 1:
        values = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
    elif "embed" in name:
        values = 0.5 * noise
    else:
        values = 1.5 / math.sqrt(shape[1]) * noise
    return torch.from_numpy(values.astype(np.float32))


# --- references ---------------------------------------------------------------


def jina_slopes(heads):
    """ALiBi's slopes: a geometric row; heads beyond a power of two take every other of the next."""
    power = 2 ** int(math.log2(heads))
    row = [2.0 ** (-8.0 * (i + 1) / power) for i in range(power)]
    if power < heads:
        row += [2.0 ** (-4.0 * (i + 1) / power) for i in range(0, 2 * (heads - power), 2)]
    return torch.tensor(row)


def jina_hidden(tensors, config, ids):
    """Hidden states of JinaBERT v2: post-norm BERT, symmetric ALiBi, GEGLU."""
    functional = torch.nn.functional
    heads, inner = config["num_attention_heads"], config["intermediate_size"]

    def linear(x, name):
        return functional.linear(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))

    def norm(x, name):
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        return functional.layer_norm(x, weight.shape, weight, bias, config["layer_norm_eps"])

    def split(x):
        return x.view(len(ids), heads, -1).transpose(0, 1)

    place = torch.arange(len(ids))
    bias = -(place[None, :] - place[:, None]).abs() * jina_slopes(heads)[:, None, None]
    x = tensors["embeddings.word_embeddings.weight"][ids]
    x = norm(x + tensors["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        q, k, v = (split(linear(x, f"{at}.attention.self.{n}")) for n in ("query", "key", "value"))
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + bias
        mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(x.shape)
        mixed = linear(mixed, f"{at}.attention.output.dense")
        x = norm(mixed + x, f"{at}.attention.output.LayerNorm")
        gate, value = linear(x, f"{at}.mlp.gated_layers").split(inner, dim=-1)
        x = norm(linear(functional.gelu(gate) * value, f"{at}.mlp.wo") + x, f"{at}.mlp.layernorm")
    return x


def nomic_hidden(folder, config):
    """A function from ids to hidden states, through transformers' own NomicBertModel."""
    settings = transformers.NomicBertConfig(
        vocab_size=config["vocab_size"],
        hidden_size=config["n_embd"],
        num_hidden_layers=config["n_layer"],
        num_attention_heads=config["n_head"],
        intermediate_size=config["n_inner"],
        max_position_embeddings=config["n_positions"],
        type_vocab_size=config["type_vocab_size"],
        layer_norm_eps=config["layer_norm_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": config["rotary_emb_base"]},
    )
    model, report = transformers.NomicBertModel.from_pretrained(
        folder, config=settings, dtype=torch.float32, output_loading_info=True
    )
    assert not any(report.values()), report  # every tensor found its place
    return lambda ids: model(input_ids=torch.tensor([ids])).last_hidden_state[0]


# --- the table ----------------------------------------------------------------

PROMPTS = {"query": "query: ", "document": "passage: "}
BERT = dict(
    config=configs.bert_config,
    tokenizer=lambda: tokenizers.wordpiece(contradiction=True),
    limit=48,
)
MODERNBERT = dict(config=configs.modernbert_config, tokenizer=tokenizers.modernbert_bpe, limit=72)

# config, tokenizer: functions of the two modules. limit: max_seq_length, None for no
# sentence_bert_config.json. pooling, normalize: the modules. prompts, default_prompt:
# config_sentence_transformers.json. dtype, shards, dense, prefix: the weights.
MODELS = {
    "tiny-bert": dict(BERT),
    "tiny-bert-f16": dict(BERT, dtype=torch.float16),
    "tiny-bert-bf16": dict(BERT, dtype=torch.bfloat16),
    "tiny-bert-sharded": dict(BERT, shards=2),
    "tiny-bert-dense": dict(BERT, dense=20),
    "tiny-bert-cls": dict(
        config=configs.bert_config,
        tokenizer=lambda: tokenizers.wordpiece(lowercase=False),
        limit=64,
        pooling="cls",
        normalize=False,
        prompts={"query": "Find: ", "document": ""},
        default_prompt="query",
    ),
    "tiny-distilbert": dict(
        config=configs.distilbert_config,
        tokenizer=tokenizers.wordpiece,
        limit=40,
        normalize=False,  # tells the two forms of GELU apart: the vectors are six times longer
    ),
    "tiny-roberta": dict(config=configs.roberta_config, tokenizer=tokenizers.roberta_bpe, limit=64),
    "tiny-xlm-roberta": dict(
        config=configs.xlm_roberta_config,
        tokenizer=tokenizers.unigram,
        limit=50,
        pooling="cls",
        prompts=PROMPTS,
    ),
    "tiny-modernbert": dict(MODERNBERT, pooling="cls"),
    "tiny-modernbert-mean": dict(MODERNBERT, prefix="model."),
    "tiny-qwen3": dict(
        config=configs.qwen3_config,
        tokenizer=tokenizers.qwen3_bpe,
        limit=None,
        pooling="lasttoken",
        prompts={"query": INSTRUCTION, "document": ""},
    ),
    "tiny-qwen3-grouped": dict(
        config=configs.qwen3_grouped_config,
        tokenizer=tokenizers.qwen3_bpe,
        limit=400,
        pooling="lasttoken",
    ),
    "tiny-jina-bert": dict(
        config=configs.jina_config, tokenizer=tokenizers.wordpiece, limit=60, shapes=jina_shapes
    ),
    "tiny-nomic-bert": dict(
        config=configs.nomic_config,
        tokenizer=tokenizers.wordpiece,
        limit=64,
        shapes=nomic_shapes,
        prompts={"query": "search_query: ", "document": "search_document: "},
    ),
}
TOKENIZER_CLASS = {
    "bert": "BertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "qwen3": "Qwen2Tokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}


# --- writing ------------------------------------------------------------------


def write_json(path, value):
    """Indented JSON of ASCII characters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8", newline="\n")


def write_modules(folder, spec, dim):
    """modules.json and the folders that it names."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    pooling = {"word_embedding_dimension": dim}
    chosen = {"cls": "cls_token", "mean": "mean_tokens", "lasttoken": "lasttoken"}[
        spec.get("pooling", "mean")
    ]
    for mode in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken"):
        pooling[f"pooling_mode_{mode}"] = mode == chosen
    write_json(folder / "1_Pooling/config.json", {**pooling, "include_prompt": True})
    if "dense" in spec:
        kinds.append(("2_Dense", "Dense"))
        write_dense(folder / "2_Dense", dim, spec["dense"])
    if spec.get("normalize", True):
        kinds.append((f"{len(kinds)}_Normalize", "Normalize"))
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)


def write_dense(folder, dim, out):
    """A Dense module with its bias and a tanh."""
    settings = {"in_features": dim, "out_features": out, "bias": True}
    activation = "torch.nn.modules.activation.Tanh"
    write_json(folder / "config.json", {**settings, "activation_function": activation})
    shapes = {"linear.weight": (out, dim), "linear.bias": (out,)}
    tensors = {name: random_tensor(name, shape) for name, shape in shapes.items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors")


def write_settings(folder, spec, config):
    """The small files beside the weights; 72 is Qwen3's limit, told by its tokenizer alone."""
    limit = spec["limit"]
    write_json(folder / "config.json", config)
    kind = TOKENIZER_CLASS.get(config["model_type"], "PreTrainedTokenizerFast")
    names = {"tokenizer_class": kind, "model_max_length": limit or 72}
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    known = {token["content"] for token in tokenizer["added_tokens"]}
    for role, choices in {
        "cls_token": ("[CLS]", "<s>"),
        "sep_token": ("[SEP]", "</s>"),
        "pad_token": ("[PAD]", "<pad>", "<|endoftext|>"),
        "unk_token": ("[UNK]", "<unk>"),
        "mask_token": ("[MASK]", "<mask>"),
        "eos_token": ("</s>", "<|endoftext|>"),
        "bos_token": ("<s>",),
    }.items():
        names.update({role: choice for choice in choices if choice in known})
    if config["model_type"] == "bert":
        names["do_lower_case"] = tokenizer["normalizer"]["lowercase"]
    write_json(folder / "tokenizer_config.json", names)
    if limit is not None:
        about = {"max_seq_length": limit, "do_lower_case": False}
        write_json(folder / "sentence_bert_config.json", about)
    prompts = {
        "prompts": spec.get("prompts", {}),
        "default_prompt_name": spec.get("default_prompt"),
        "similarity_fn_name": "cosine",
    }
    write_json(folder / "config_sentence_transformers.json", prompts)


def write_weights(folder, spec, config):
    """model.safetensors, or shards with their index; returns what was written, as f32."""
    shapes = spec.get("shapes", shapes_of_class)(config)
    cast = {n: random_tensor(n, s).to(spec.get("dtype", torch.float32)) for n, s in shapes.items()}
    stored = {spec.get("prefix", "") + name: value for name, value in cast.items()}
    if config["model_type"] == "bert" and "shapes" not in spec:  # an old buffer, still on the hub
        stored["embeddings.position_ids"] = torch.arange(config["max_position_embeddings"])[None]
    shards = spec.get("shards", 1)
    names = sorted(stored)
    index = {"metadata": {"total_size": sum(t.nbytes for t in stored.values())}, "weight_map": {}}
    for shard in range(shards):
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors" if shards > 1 else "model.safetensors"
        safetensors.torch.save_file({n: stored[n] for n in part}, folder / file, {"format": "pt"})
        index["weight_map"].update({name: file for name in part})
    if shards > 1:
        write_json(folder / "model.safetensors.index.json", index)
    return {name: value.to(torch.float32) for name, value in cast.items()}


def pooled(hidden):
    """Mean over the tokens, then unit length."""
    return torch.nn.functional.normalize(hidden.mean(0), dim=0)


def reference(folder, spec, config, tensors):
    """(name, limit, prompts, encode): the reference, and encode(text, role, ids) -> vector."""
    if config["model_type"] == "nomic_bert":
        hidden = nomic_hidden(folder, config)
        name = "transformers NomicBertModel, mean over tokens, unit length"
        return name, spec["limit"], spec["prompts"], lambda text, role, ids: pooled(hidden(ids))
    if "alibi" in config.values():
        name = "own torch code after JinaBERT v2's public description"

        def encode_jina(text, role, ids):
            return pooled(jina_hidden(tensors, config, ids))

        return name, spec["limit"], {}, encode_jina
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})

    def encode(text, role, ids):
        prompt = model.prompts.get(role, "")
        seen = model.preprocess([prompt + text])["input_ids"][0].tolist()
        assert seen == ids, (folder.name, text, seen, ids)
        one = model.encode_query if role == "query" else model.encode_document
        return torch.from_numpy(one(text))

    name = "sentence-transformers encode_query and encode_document"
    return name, model.max_seq_length, model.prompts, encode


def expected_rows(tokenizer, limit, prompts, encode):
    """One row for each text as a document, and for the first QUERIES texts as a query."""
    rows = []
    pairs = [(text, "document") for text in TEXTS] + [(text, "query") for text in TEXTS[:QUERIES]]
    for text, role in pairs:
        tokenizer.no_truncation()
        full = len(tokenizer.encode(prompts.get(role, "") + text).ids)
        tokenizer.enable_truncation(limit)
        ids = tokenizer.encode(prompts.get(role, "") + text).ids
        vector = encode(text, role, ids).to(torch.float32).tolist()
        row = {"text": text, "role": role, "ids": ids, "tokens": len(ids), "truncated": full > limit}
        rows.append({**row, "embedding": [float(f"{x:.7g}") for x in vector]})
    return rows


def write_expected(folder, spec, config, tensors, versions):
    """expected.json: the contract and one line per row."""
    name, limit, prompts, encode = reference(folder, spec, config, tensors)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    with torch.no_grad():
        rows = expected_rows(tokenizer, limit, prompts, encode)
    files = sorted(folder.glob("*.safetensors"))
    about = {
        "model": folder.name,
        "reference": name,
        "versions": versions,
        "weights_sha256": {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files},
        "contract": {
            "dim": len(rows[0]["embedding"]),
            "max_tokens": limit,
            "pooling": spec.get("pooling", "mean"),
            "normalize": spec.get("normalize", True),
            "query_prompt": prompts.get("query", ""),
            "document_prompt": prompts.get("document", ""),
        },
    }
    lines = ",\n    ".join(json.dumps(row, separators=(",", ":")) for row in rows)
    text = json.dumps(about, indent=2)[:-2] + f',\n  "rows": [\n    {lines}\n  ]\n}}\n'
    (folder / "expected.json").write_text(text, encoding="utf-8", newline="\n")


def write_tiny(out, versions):
    """Writes every folder of MODELS under `out`."""
    transformers.logging.set_verbosity_error()
    for name, spec in MODELS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = spec["tokenizer"]()
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        config = spec["config"](tokenizer.get_vocab_size())
        config["torch_dtype"] = str(spec.get("dtype", torch.float32)).removeprefix("torch.")
        write_modules(folder, spec, config.get("hidden_size") or config.get("dim") or config["n_embd"])
        write_settings(folder, spec, config)
        tensors = write_weights(folder, spec, config)
        write_expected(folder, spec, config, tensors, versions)
