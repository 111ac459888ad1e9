"""A tiny Qwen3-Reranker as sentence-transformers 5.4 and later save one: Transformer and LogitScore.

`cross-tiny-logit-score` has the weights and the tokenizer of `cross-tiny-qwen3`, a chat template that asks the
question of Qwen3-Reranker's card, and a LogitScore module that names the tokens for yes and no. Ids, logits and
scores in expected.json are sentence-transformers' own: it fills in the template, cuts, and compares the two
logits. `logits` is the output of LogitScore, `score` what CrossEncoder predicts.
"""

import shutil

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore

import cross_encoders as cross

NAME = "cross-tiny-logit-score"
TEMPLATE = (
    "{%- set ns = namespace(instruction='" + cross.QWEN3_INSTRUCTION + "', query='', document='') -%}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'system' -%}{%- set ns.instruction = message.content -%}"
    "{%- elif message.role == 'query' -%}{%- set ns.query = message.content -%}"
    "{%- elif message.role == 'document' -%}{%- set ns.document = message.content -%}{%- endif -%}"
    "{%- endfor -%}"
    "{{- '" + cross.QWEN3_PREFIX.replace("\n", "\\n") + "' -}}"
    "{{- '<Instruct>: ' ~ ns.instruction ~ '\\n<Query>: ' ~ ns.query ~ '\\n<Document>: ' ~ ns.document -}}"
    "{{- '" + cross.QWEN3_SUFFIX.replace("\n", "\\n") + "' -}}"
)


def save(out):
    """The folder, without expected.json."""
    folder = out / NAME
    folder.mkdir(exist_ok=True)
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copyfile(out / cross.QWEN3 / file, folder / file)
    tokenizer = cross.json.loads((out / cross.QWEN3 / "tokenizer_config.json").read_text(encoding="utf-8"))
    # sentence-transformers pads even a text alone.
    cross.write_json(folder / "tokenizer_config.json", {**tokenizer, "pad_token": "<|endoftext|>"})
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    transformer = Transformer(str(folder), transformer_task="text-generation")
    yes, no = (transformer.tokenizer.convert_tokens_to_ids(answer) for answer in ("yes", "no"))
    model = CrossEncoder(modules=[transformer, LogitScore(yes, no)], device="cpu")
    model.save_pretrained(str(folder))
    for unwanted in ("README.md", "generation_config.json"):
        (folder / unwanted).unlink(missing_ok=True)
    # Its versions are those of the machine; expected.json has them.
    own = folder / "config_sentence_transformers.json"
    content = {k: v for k, v in cross.json.loads(own.read_text(encoding="utf-8")).items() if k != "__version__"}
    cross.write_json(own, content)
    # What is saved must not depend on how the library writes it.
    shutil.copyfile(out / cross.QWEN3 / "tokenizer.json", folder / "tokenizer.json")
    for path in folder.rglob("*.json"):
        if path.name != "tokenizer.json":
            cross.write_json(path, cross.json.loads(path.read_text(encoding="utf-8")))


def rows(model):
    """One row per pair of texts, without padding."""
    for query, document in cross.QWEN3_TEXTS:
        features = model.preprocess([(query, document)])
        ids = features["input_ids"][0].tolist()
        logits = [float(f"{x:.7g}") for x in model(features)["scores"][0].tolist()]
        middle = f"<Instruct>: {cross.QWEN3_INSTRUCTION}\n<Query>: {query}\n<Document>: {document}"
        whole = model.tokenizer(cross.QWEN3_PREFIX + middle + cross.QWEN3_SUFFIX, add_special_tokens=False)
        yield {
            "query": query,
            "document": document,
            "ids": ids,
            "token_types": None,
            "truncated": len(whole["input_ids"]) > len(ids),
            "logits": logits,
            "score": float(f"{model.predict([(query, document)])[0]:.7g}"),
        }


def write_logit_score(out, versions):
    """Writes the folder under `out`, after cross_encoders.py has written its own."""
    save(out)
    model = CrossEncoder(str(out / NAME), device="cpu")
    with torch.no_grad():
        cross.write_expected(out / NAME, versions, model.max_seq_length, [], list(rows(model)))
