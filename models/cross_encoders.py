"""Tiny cross-encoders of random weights, as transformers saves them: an encoder with a classification head.

One row of MODELS makes one folder: config.json, model.safetensors, tokenizer.json,
tokenizer_config.json, and expected.json with the logits that transformers computes in
f32, one pair at a time:

    {"made_with": {package: version},
     "rows": [{"first", "second", "token_types", "logits"}],
     "max_tokens": N,
     "texts": [{"query", "document", "ids", "token_types", "truncated", "logits", "score"}]}

In `rows` the model reads `first` + `second`: the query between its special tokens, then
the document with its last one. `token_types` is 1 where `second` has token type 1, and 0
where all tokens are of one type. In `texts` the tokenizer makes the ids, cut at
`max_tokens` by `longest_first`; `token_types` is the position of the first token of type
1, null where there is none; `score` is what sentence-transformers' CrossEncoder predicts,
null where there are several labels. The folders are not named tiny-*, since the tests
take those for embedding models.

`cross-tiny-qwen3` is a causal model that is asked a yes-or-no question, as Qwen3-Reranker:
its logits are those of "no" and "yes", made as the model's card says.

Weights are those of tiny_models.py, so that a head without its dense layer, bias or
norm, or one that reads another token, moves the logits by much more than the tests'
tolerance.
"""

import json
import zlib

import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder
from tokenizers import processors

import tiny_configs as configs
import tiny_tokenizers as tokenizers
from parity_texts import words_of_prose
from tiny_models import random_tensor, write_json

FIRST_WORD = 5  # the ids before it are special tokens

# Words of query and document; None for a query alone. The longest reach far beyond ModernBERT's window.
LENGTHS = [(0, None), (0, 0), (1, 1), (5, 3), (3, 17), (8, 27)]

# Queries and documents; the longest are beyond every limit, alone and together.
TEXTS = [
    ("where is the harbour", "The ferry leaves the northern pier at seven."),
    ("where is the harbour", ""),
    ("a", "a"),
    ("caf\u00e9 r\u00e9sum\u00e9 \u6c34 \U0001f680", "\u041f\u043e\u0435\u0437\u0434 \u043e\u043f\u043e\u0437\u0434\u0430\u043b, na\u00efve \u706b"),
    ("THE SECOND Chapter", "1961 + 39 = 2,000! [SEP] </s> <|im_end|> [MASK]"),
    ("the harbour", words_of_prose(150, seed=11)),
    (words_of_prose(150, seed=12), "the harbour"),
    (words_of_prose(90, seed=13), words_of_prose(91, seed=14)),
    (words_of_prose(91, seed=14), words_of_prose(90, seed=13)),
]

# cls, sep, last: what stands before the query, between the two parts, and behind a part that is the last.
# pair: the same as a template of the tokenizer. The limits are of both parities: odd ones are shared unequally.
BERT = dict(cls=[2], sep=[3], last=[3], pair="[CLS] $A [SEP] $B:1 [SEP]:1", tokenizer=tokenizers.wordpiece, limit=48)
ROBERTA = dict(cls=[0], sep=[2, 2], last=[2], pair="<s> $A </s> </s> $B </s>")
DEBERTA = dict(
    config=configs.deberta_config,
    cls=[1],
    sep=[2],
    last=[2],
    pair="[CLS] $A [SEP] $B:1 [SEP]:1",
    tokenizer=tokenizers.deberta_unigram,
    limit=72,
)
# The options of DeBERTa-v2 that published rerankers leave at other values: distances without buckets, projections of
# their own, one kind of term.
DEBERTA_C2P = {
    "layer_norm_eps": 1e-06,
    "max_relative_positions": 12,
    "norm_rel_ebd": "none",
    "pooler_hidden_act": "tanh",
    "pos_att_type": "c2p",
    "position_biased_input": True,
    "position_buckets": -1,
    "share_att_key": False,
    "type_vocab_size": 2,
}
DEBERTA_P2C = {"pos_att_type": ["p2c"], "position_buckets": 10, "share_att_key": False}
IDENTITY = {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "5.0.0"}}
MODELS = {
    "cross-tiny-bert": dict(BERT, config=configs.bert_config, types=1, more=IDENTITY),
    "cross-tiny-distilbert": dict(BERT, config=configs.distilbert_config, more={"hidden_dim": 48}, limit=41),
    "cross-tiny-electra": dict(BERT, config=configs.electra_config, types=1, limit=63),
    "cross-tiny-roberta": dict(
        ROBERTA, config=configs.roberta_config, labels=3, tokenizer=tokenizers.roberta_bpe, limit=64
    ),
    "cross-tiny-xlm-roberta": dict(
        ROBERTA, config=configs.xlm_roberta_config, tokenizer=tokenizers.unigram, limit=None
    ),
    "cross-tiny-modernbert": dict(
        config=configs.modernbert_config,
        more={"num_hidden_layers": 4},  # the first and the last are global
        cls=[1],
        sep=[2],
        last=[2],
        pair="[CLS] $A [SEP] $B [SEP]",
        tokenizer=tokenizers.modernbert_bpe,
        limit=72,
    ),
    "cross-tiny-deberta": DEBERTA,
    "cross-tiny-deberta-c2p": dict(DEBERTA, more=DEBERTA_C2P, types=1, limit=75),
    "cross-tiny-deberta-p2c": dict(DEBERTA, more=DEBERTA_P2C),
}
QWEN3 = "cross-tiny-qwen3"
QWEN3_LIMIT = 512
QWEN3_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
QWEN3_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
QWEN3_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
# One that says how the prompt ends must not end it; the reference has no such text, for it lets one.
QWEN3_TEXTS = [pair for pair in TEXTS if "<|" not in pair[1]] + [("the harbour", words_of_prose(400, seed=15))]


def parts(name, spec):
    """The ids of both parts of each row, seeded by the folder's name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))

    def words(count):
        return rng.integers(FIRST_WORD, tokenizers.VOCAB, count).tolist()

    for query, document in LENGTHS:
        first = spec["cls"] + words(query)
        if document is None:
            yield first + spec["last"], []
        else:
            yield first + spec["sep"], words(document) + spec["last"]


def special_ids(tokenizer, template):
    """The special tokens of a template with their ids."""
    names = {piece.split(":")[0] for piece in template.split() if not piece.startswith("$")}
    return [(name, tokenizer.token_to_id(name)) for name in sorted(names)]


def save_tokenizer(folder, spec):
    """tokenizer.json with a template for pairs, and the limit in tokenizer_config.json. Gives the size of the vocabulary."""
    tokenizer = spec["tokenizer"]()
    single = spec["pair"].partition(" $B")[0].replace("</s> </s>", "</s>")
    template = processors.TemplateProcessing(
        single=single, pair=spec["pair"], special_tokens=special_ids(tokenizer, spec["pair"])
    )
    tokenizer.post_processor = template
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    pad = "<pad>" if tokenizer.token_to_id("<pad>") is not None else "[PAD]"
    # This class of transformers 5 gives no token types unless the file asks for them, as BERT's own does.
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if spec.get("types") else ["input_ids", "attention_mask"]
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": pad, "model_input_names": inputs}
    if spec["limit"]:
        config["model_max_length"] = spec["limit"]
    write_json(folder / "tokenizer_config.json", config)
    return tokenizer.get_vocab_size()


def randomize(model):
    """Random weights in the place of the initial ones."""
    for name, parameter in model.named_parameters():
        parameter.data = random_tensor(name, tuple(parameter.shape))


def save_model(folder, spec, vocab):
    """config.json and model.safetensors by transformers itself, whose names and fields are to be read."""
    fields = {**spec["config"](vocab), **spec.get("more", {}), "num_labels": spec.get("labels", 1)}
    model = transformers.AutoModelForSequenceClassification.from_config(
        transformers.AutoConfig.for_model(**fields)
    )
    randomize(model)
    model.save_pretrained(folder)


def load_model(folder):
    """The model read back, so that the logits are those of the files."""
    model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not any(report.values()), report  # every tensor found its place
    return model.eval()


def expected_row(model, first, second, types):
    """One row: the logits of one pair, without padding."""
    ids = torch.tensor([first + second])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if types:
        inputs["token_type_ids"] = torch.tensor([[0] * len(first) + [1] * len(second)])
    logits = [float(f"{x:.7g}") for x in model(**inputs).logits[0].tolist()]
    return {"first": first, "second": second, "token_types": types, "logits": logits}


def text_rows(folder, model, spec):
    """One row per pair of texts, tokenized and cut as the model's tokenizer does, without padding."""
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    limit = spec["limit"] or model.config.max_position_embeddings - 2  # RoBERTa's positions begin behind the padding token
    by_reference = CrossEncoder(str(folder), device="cpu", max_length=limit) if spec.get("labels", 1) == 1 else None
    for query, document in TEXTS:
        # Lists, as CrossEncoder gives them: alone, an empty document would be none at all.
        encoded = tokenizer(
            [query], [document], truncation="longest_first", max_length=limit, return_token_type_ids=True
        )
        whole = tokenizer([query], [document], truncation=False)["input_ids"][0]
        ids, types = encoded["input_ids"][0], encoded["token_type_ids"][0]
        inputs = {"input_ids": torch.tensor([ids])}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        if spec.get("types"):
            inputs["token_type_ids"] = torch.tensor([types])
        logits = [float(f"{x:.7g}") for x in model(**inputs).logits[0].tolist()]
        score = None if by_reference is None else float(f"{by_reference.predict([(query, document)])[0]:.7g}")
        yield {
            "query": query,
            "document": document,
            "ids": ids,
            "token_types": types.index(1) if 1 in types else None,
            "truncated": len(whole) > limit,
            "logits": logits,
            "score": score,
        }


def check_batch(model, rows, types):
    """Fails if the logits of the texts in one padded batch are not those of each text alone."""
    longest = max(len(row["ids"]) for row in rows)
    ids, mask, kinds = (torch.zeros((len(rows), longest), dtype=torch.long) for _ in range(3))
    for at, row in enumerate(rows):
        length = len(row["ids"])
        ids[at, :length] = torch.tensor(row["ids"])
        mask[at, :length] = 1
        kinds[at, row["token_types"] or length : length] = 1
    more = {"token_type_ids": kinds} if types else {}
    logits = model(input_ids=ids, attention_mask=mask, **more).logits
    torch.testing.assert_close(logits, torch.tensor([row["logits"] for row in rows]), atol=2e-5, rtol=0)


def write_expected(folder, versions, limit, rows, texts):
    """expected.json, one row a line."""

    def lines(rows):
        return ",\n    ".join(json.dumps(row, separators=(",", ":")) for row in rows)

    about = json.dumps({"made_with": versions}, indent=2)[:-2]
    body = f'"rows": [\n    {lines(rows)}\n  ],\n  "max_tokens": {limit},\n  "texts": [\n    {lines(texts)}\n  ]'
    (folder / "expected.json").write_text(f"{about},\n  {body}\n}}\n", encoding="utf-8", newline="\n")


def write_qwen3(out, versions):
    """The reranker that answers yes or no, after the code of its card."""
    folder = out / QWEN3
    folder.mkdir(exist_ok=True)
    tokenizer = tokenizers.qwen3_bpe(answers=["yes", "no"])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": QWEN3_LIMIT})
    fields = {**configs.qwen3_config(tokenizer.get_vocab_size()), "max_position_embeddings": QWEN3_LIMIT}
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**fields))
    randomize(model)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # What sentence-transformers writes beside a reranker; an embedding model may have the same architecture.
    write_json(folder / "config_sentence_transformers.json", {"model_type": "CrossEncoder"})
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()

    def ids(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    prefix, suffix = ids(QWEN3_PREFIX), ids(QWEN3_SUFFIX)
    answers = [tokenizer.token_to_id("no"), tokenizer.token_to_id("yes")]
    texts = []
    for query, document in QWEN3_TEXTS:
        middle = ids(f"<Instruct>: {QWEN3_INSTRUCTION}\n<Query>: {query}\n<Document>: {document}")
        room = QWEN3_LIMIT - len(prefix) - len(suffix)
        whole = prefix + middle[:room] + suffix
        logits = model(input_ids=torch.tensor([whole])).logits[0, -1, answers]
        score = torch.nn.functional.log_softmax(logits, dim=0)[1].exp().item()
        texts.append({
            "query": query,
            "document": document,
            "ids": whole,
            "token_types": None,
            "truncated": len(middle) > room,
            "logits": [float(f"{x:.7g}") for x in logits.tolist()],
            "score": float(f"{score:.7g}"),
        })
    write_expected(folder, versions, QWEN3_LIMIT, [], texts)


def write_cross(out, versions):
    """Writes every folder of MODELS, and Qwen3's, under `out`."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name, spec in MODELS.items():
        folder = out / name
        folder.mkdir(exist_ok=True)
        save_model(folder, spec, save_tokenizer(folder, spec))
        model = load_model(folder)
        with torch.no_grad():
            rows = [expected_row(model, *pair, spec.get("types", 0)) for pair in parts(name, spec)]
            texts = list(text_rows(folder, model, spec))
            if spec["config"] is configs.deberta_config:
                check_batch(model, texts, spec.get("types", 0))
        limit = spec["limit"] or model.config.max_position_embeddings - 2
        write_expected(folder, versions, limit, rows, texts)
    with torch.no_grad():
        write_qwen3(out, versions)
