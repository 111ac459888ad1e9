"""Tiny modular cross-encoders of random weights, as sentence-transformers 5.4 and later save them.

One row of MODELS makes one folder: an encoder, a Pooling, and Dense and LayerNorm modules down to one score,
saved by sentence-transformers itself, with an expected.json as cross_encoders.py describes it. `logits` is the
output of the last module, `score` what CrossEncoder predicts, its activation applied.
"""

import torch
import transformers
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling

import cross_encoders as cross
from tiny_models import random_tensor


def head(width, activation=None, **more):
    """The last layer, which gives the score."""
    return Dense(width, 1, activation_function=activation, module_output_name="scores", **more)


# The shape of the Ettin rerankers: Dense, activation, LayerNorm, Dense behind the first token.
MODELS = {
    "cross-tiny-modular-bert": dict(base="cross-tiny-bert", modules=lambda: [Pooling(32, "mean"), head(32)], activation=torch.nn.Identity(), prompt="Find: ", side="left"),
    "cross-tiny-modular-modernbert": dict(
        base="cross-tiny-modernbert",
        modules=lambda: [
            Pooling(24, "cls"),
            Dense(24, 24, bias=False, activation_function=torch.nn.GELU()),
            LayerNorm(24),
            head(24),
        ],
    ),
    "cross-tiny-modular-roberta": dict(
        base="cross-tiny-roberta",
        modules=lambda: [
            Pooling(32, "lasttoken"),
            Dense(32, 20, use_residual=True),
            LayerNorm(20),
            Dense(20, 20, activation_function=torch.nn.SiLU(), use_residual=True),
            head(20, torch.nn.Tanh(), bias=False),
        ],
    ),
}


def save(out, name, spec):
    """The folder of one model."""
    folder, base = out / name, dict(cross.MODELS[spec["base"]])
    folder.mkdir(exist_ok=True)
    vocab = cross.save_tokenizer(folder, base)
    fields = {**base["config"](vocab), **base.get("more", {})}
    fields.pop("sentence_transformers", None)
    encoder = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**fields))
    cross.randomize(encoder)
    encoder.save_pretrained(folder)
    model = CrossEncoder(
        modules=[Transformer(str(folder)), *spec["modules"]()], device="cpu", activation_fn=spec.get("activation")
    )
    for place, module in list(enumerate(model))[1:]:
        for tensor, parameter in module.named_parameters():
            parameter.data = random_tensor(f"{place}.{tensor}", tuple(parameter.shape))
    if "prompt" in spec:
        model.prompts, model.default_prompt_name = {"find": spec["prompt"]}, "find"
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    if "side" in spec:
        settings = cross.json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        cross.write_json(folder / "tokenizer_config.json", {**settings, "truncation_side": spec["side"]})
    # Its versions are those of the machine; expected.json has them.
    own = folder / "config_sentence_transformers.json"
    content = {k: v for k, v in cross.json.loads(own.read_text(encoding="utf-8")).items() if k != "__version__"}
    cross.write_json(own, content)
    for path in folder.rglob("*.json"):
        if path.name != "tokenizer.json":
            cross.write_json(path, cross.json.loads(path.read_text(encoding="utf-8")))


def rows(model):
    """One row per pair of texts, without padding."""
    limit = model.max_seq_length
    for query, document in cross.TEXTS:
        prompt = model.prompts.get(model.default_prompt_name, "")
        features = model.preprocess([(query, document)], prompt=prompt)
        whole = model.tokenizer([prompt + query], [document], truncation=False, verbose=False)["input_ids"][0]
        ids = features["input_ids"][0].tolist()
        types = features["token_type_ids"][0].tolist() if "token_type_ids" in features else []
        logits = [float(f"{x:.7g}") for x in model(features)["scores"][0].tolist()]
        yield {
            "query": query,
            "document": document,
            "ids": ids,
            "token_types": types.index(1) if 1 in types else None,
            "truncated": len(whole) > limit,
            "logits": logits,
            "score": float(f"{model.predict([(query, document)])[0]:.7g}"),
        }


def write_modular(out, versions):
    """Writes every folder of MODELS under `out`."""
    for name, spec in MODELS.items():
        save(out, name, spec)
        model = CrossEncoder(str(out / name), device="cpu")
        with torch.no_grad():
            cross.write_expected(out / name, versions, model.max_seq_length, [], list(rows(model)))
