#!/usr/bin/env python3
"""Writes two cross-encoders of random weights and the same size, for `cargo bench --bench pairs`.

    pip install -r models/requirements.txt
    python benches/random_models.py OUT

OUT/minilm-l12 has the shape of ms-marco-MiniLM-L12-v2 (BERT), OUT/deberta-xsmall that of
mxbai-rerank-xsmall-v1 (DeBERTa-v2): 12 layers of 384, 6 and 12 heads as published. OUT/minilm-l12-6
is the BERT with 6 heads. Vocabulary and tokenizer are those of the tiny models: a table of embeddings
costs no time in a forward pass.
"""

import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))

import torch
import transformers

import cross_encoders

SHAPE = dict(hidden_size=384, num_hidden_layers=12, intermediate_size=1536, max_position_embeddings=512)
MODELS = {
    "minilm-l12": ("cross-tiny-bert", dict(num_attention_heads=12)),
    "minilm-l12-6": ("cross-tiny-bert", dict(num_attention_heads=6)),
    "deberta-xsmall": ("cross-tiny-deberta", dict(num_attention_heads=6, pooler_hidden_size=384, position_buckets=256)),
}


def main():
    torch.manual_seed(1)
    for name, (tiny, own) in MODELS.items():
        spec = {**cross_encoders.MODELS[tiny], "limit": 512}
        folder = pathlib.Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        vocab = cross_encoders.save_tokenizer(folder, spec)
        fields = {**spec["config"](vocab), **SHAPE, **own, "num_labels": 1}
        config = transformers.AutoConfig.for_model(**fields)
        transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)


if __name__ == "__main__":
    main()
