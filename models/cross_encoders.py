"""Tiny cross-encoders of random weights, as transformers saves them: an encoder with a classification head.

One row of MODELS makes one folder: config.json, model.safetensors, and expected.json
with the logits that transformers computes in f32, one pair at a time:

    {"made_with": {package: version},
     "rows": [{"first", "second", "token_types", "logits"}]}

The model reads `first` + `second`: the query between its special tokens, then the
document with its last one. `token_types` is 1 where `second` has token type 1, and 0
where all tokens are of one type. The folders have no tokenizers, since heads work on
ids; they are not named tiny-*, since the tests take those for embedding models.

Weights are those of tiny_models.py, so that a head without its dense layer, bias or
norm, or one that reads another token, moves the logits by much more than the tests'
tolerance.
"""

import json
import zlib

import numpy as np
import torch
import transformers

import tiny_configs as configs
from tiny_models import random_tensor

VOCAB = 120
FIRST_WORD = 5  # the ids before it are special tokens

# Words of query and document; None for a query alone. The longest reach far beyond ModernBERT's window.
LENGTHS = [(0, None), (0, 0), (1, 1), (5, 3), (3, 17), (8, 27)]

# cls, sep, last: what stands before the query, between the two parts, and behind a part that is the last.
BERT = dict(cls=[2], sep=[3], last=[3])
MODELS = {
    "cross-tiny-bert": dict(BERT, config=configs.bert_config, types=1),
    "cross-tiny-distilbert": dict(BERT, config=configs.distilbert_config, more={"hidden_dim": 48}),
    "cross-tiny-roberta": dict(config=configs.roberta_config, labels=3, cls=[0], sep=[2, 2], last=[2]),
    "cross-tiny-modernbert": dict(
        config=configs.modernbert_config,
        more={"num_hidden_layers": 4},  # the first and the last are global
        cls=[1],
        sep=[2],
        last=[2],
    ),
}


def parts(name, spec):
    """The ids of both parts of each row, seeded by the folder's name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))

    def words(count):
        return rng.integers(FIRST_WORD, VOCAB, count).tolist()

    for query, document in LENGTHS:
        first = spec["cls"] + words(query)
        if document is None:
            yield first + spec["last"], []
        else:
            yield first + spec["sep"], words(document) + spec["last"]


def save_model(folder, spec):
    """config.json and model.safetensors by transformers itself, whose names and fields are to be read."""
    fields = {**spec["config"](VOCAB), **spec.get("more", {}), "num_labels": spec.get("labels", 1)}
    model = transformers.AutoModelForSequenceClassification.from_config(
        transformers.AutoConfig.for_model(**fields)
    )
    for name, parameter in model.named_parameters():
        parameter.data = random_tensor(name, tuple(parameter.shape))
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


def write_cross(out, versions):
    """Writes every folder of MODELS under `out`."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name, spec in MODELS.items():
        folder = out / name
        save_model(folder, spec)
        model = load_model(folder)
        with torch.no_grad():
            rows = [expected_row(model, *pair, spec.get("types", 0)) for pair in parts(name, spec)]
        lines = ",\n    ".join(json.dumps(row, separators=(",", ":")) for row in rows)
        about = json.dumps({"made_with": versions}, indent=2)
        text = about[:-2] + f',\n  "rows": [\n    {lines}\n  ]\n}}\n'
        (folder / "expected.json").write_text(text, encoding="utf-8", newline="\n")
