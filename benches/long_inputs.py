#!/usr/bin/env python3
"""Long inputs: embedding texts of N tokens, nearsort beside PyTorch, ONNX Runtime and OpenVINO.

usage: long_inputs.py make modernbert-base|qwen3-0.6b OUT
       long_inputs.py run MODEL_DIR --corpus corpus.jsonl --tokens N [--rows 16] [--rounds 3]
              [--nearsort BIN] [--precision i8,bf16,f32] [--peers torch-f32,torch-bf16,ort-f32,ort-int8,ov-f32,ov-bf16]

make: writes OUT with the published shape of ModernBERT-base (22 layers of 768, attention to 128
tokens in two of three layers) or Qwen3-Embedding-0.6B (28 layers of 1,024, 16 heads on 8 of keys),
random weights and a tiny model's tokenizer. A table of embeddings costs no time in a forward pass.
run: rows of the corpus's texts, joined until each has N tokens. Engines take turns; two threads each.
Peers get batches of their best size (1, 4 or 8, tried before) and are timed with tokenizing and mean
pooling, without loading; nearsort by the seconds that `embed --stats` says. Prints texts and tokens a
second, medians of the rounds, and the cosine to PyTorch's f32.

Needs a Python with torch, transformers, onnx, onnxruntime, onnxscript and openvino.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[1]
THREADS = 2
SHAPES = {
    "modernbert-base": dict(
        tiny="tiny-modernbert",
        hidden_size=768,
        intermediate_size=1152,
        num_hidden_layers=22,
        num_attention_heads=12,
        max_position_embeddings=8192,
        local_attention=128,
        local_rope_theta=10000.0,
    ),
    "qwen3-0.6b": dict(
        tiny="tiny-qwen3",
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=8192,
    ),
}


def make(shape, out):
    fields = dict(SHAPES[shape])
    shutil.copytree(ROOT / "models" / fields.pop("tiny"), out)
    (out / "expected.json").unlink()
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**config, **fields, "torch_dtype": "float32"}))
    limit = {"max_seq_length": fields["max_position_embeddings"], "do_lower_case": False}
    (out / "sentence_bert_config.json").write_text(json.dumps(limit))
    torch.manual_seed(1)
    model = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(out))
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, out / "model.safetensors")


def texts_of(corpus, tokenizer, tokens, rows):
    """Texts with at least `tokens` tokens, few more."""
    texts, parts, size = [], [], 0
    with open(corpus, encoding="utf-8") as lines:
        for document in map(json.loads, lines):
            parts.append(document["text"])
            size += len(tokenizer.encode(document["text"]).ids) - 2
            if size >= tokens:
                texts.append(" ".join(parts))
                parts, size = [], 0
            if len(texts) == rows:
                return texts
    raise SystemExit(f"{corpus} has text for {len(texts)} rows only; give fewer --rows")


def torch_model(folder, precision):
    torch.set_num_threads(THREADS)
    dtype = torch.float32 if precision == "f32" else torch.bfloat16
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval().to(dtype)

    def run(ids):
        with torch.inference_mode():
            return model(input_ids=torch.tensor(ids)).last_hidden_state.float().numpy()

    return run


def exported(folder, work):
    """The model as ONNX, of ids alone: no row is padded."""
    path = pathlib.Path(work) / "model.onnx"
    if not path.exists():
        model = transformers.AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()

        class Hidden(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, input_ids):
                return self.model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).last_hidden_state

        example = (torch.randint(5, 300, (2, 512)),)
        shapes = {"input_ids": {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}}
        torch.onnx.export(Hidden(), example, path, dynamo=True, dynamic_shapes=shapes, input_names=["input_ids"])
    return path


def ort_model(folder, precision, work):
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = exported(folder, work)
    if precision == "int8":
        small = path.with_name("int8.onnx")
        quantize_dynamic(path, small, weight_type=QuantType.QInt8)
        path = small
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda ids: session.run(None, {"input_ids": ids})[0]


def ov_model(folder, precision, work):
    import openvino

    core = openvino.Core()
    hints = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    model = core.compile_model(core.read_model(exported(folder, work)), "CPU", hints)
    return lambda ids: list(model({"input_ids": ids}).values())[0]


def peer(name, folder, work):
    kind, precision = name.split("-")
    if kind == "torch":
        return torch_model(folder, precision)
    return (ort_model if kind == "ort" else ov_model)(folder, precision, work)


def encoded(run, tokenizer, texts, batch):
    ids = np.array([encoding.ids for encoding in tokenizer.encode_batch(texts)], np.int64)
    hidden = (run(ids[at : at + batch]) for at in range(0, len(ids), batch))
    return np.concatenate([part.mean(1) for part in hidden])


def timed(work, times, name):
    start = time.perf_counter()
    found = work()
    times.setdefault(name, []).append(time.perf_counter() - start)
    return found


def best_batch(run, tokenizer, texts):
    """The fastest of the sizes 1, 4 and 8, by one run over at most eight texts."""
    few, seconds = texts[:8], {}
    encoded(run, tokenizer, few[:1], 1)
    for batch in (size for size in (1, 4, 8) if size <= len(few)):
        timed(lambda: encoded(run, tokenizer, few, batch), seconds, batch)
    return min(seconds, key=seconds.get)


def nearsort(binary, folder, precision, tokens, work):
    stats, out = f"{work}/stats.json", f"{work}/out.npy"
    words = [binary, "-q", "embed", f"{work}/in.jsonl", "--model", folder, "--output", out, "--pooling", "mean"]
    words += ["--precision", precision, "--max-tokens", tokens, "--threads", THREADS, "--stats", stats]
    subprocess.run(list(map(str, words)), check=True)
    return np.load(out), json.load(open(stats))["encode_seconds"]


def run(args, work):
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = texts_of(args.corpus, tokenizer, args.tokens, args.rows)
    tokenizer.enable_truncation(args.tokens)
    rows = "".join(json.dumps({"id": str(row), "text": text}) + "\n" for row, text in enumerate(texts))
    pathlib.Path(work, "in.jsonl").write_text(rows)
    engines, batches, vectors, times = {}, {}, {}, {}
    for name in args.peers.split(","):
        engines[name] = peer(name, args.model, work)
        batches[name] = best_batch(engines[name], tokenizer, texts)
    for _ in range(args.rounds):
        for name, engine in engines.items():
            vectors[name] = timed(lambda: encoded(engine, tokenizer, texts, batches[name]), times, name)
        for precision in args.precision.split(","):
            name = f"nearsort-{precision}"
            vectors[name], seconds = nearsort(args.nearsort, args.model, precision, args.tokens, work)
            times.setdefault(name, []).append(seconds)
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in vectors.items()}
    print("| engine | texts/s | tokens/s | batch | cosine to torch-f32: mean, least |\n|---|---|---|---|---|")
    for name, taken in sorted(times.items(), key=lambda of: statistics.median(of[1])):
        rate = len(texts) / statistics.median(taken)
        cosines = (unit[name] * unit["torch-f32"]).sum(1) if "torch-f32" in unit else np.array([np.nan])
        closeness = f"{cosines.mean():.5f}, {cosines.min():.5f}"
        print(f"| {name} | {rate:.2f} | {rate * args.tokens:.0f} | {batches.get(name, '')} | {closeness} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make")
    making.add_argument("shape", choices=SHAPES)
    making.add_argument("out", type=pathlib.Path)
    add = verbs.add_parser("run").add_argument
    add("model", type=pathlib.Path)
    add("--corpus", type=pathlib.Path, required=True)
    add("--tokens", type=int, required=True)
    add("--rows", type=int, default=16)
    add("--rounds", type=int, default=3)
    add("--nearsort", default=str(ROOT / "target/release/nearsort"))
    add("--precision", default="i8,bf16,f32")
    add("--peers", default="torch-f32,torch-bf16,ort-f32,ort-int8,ov-f32,ov-bf16")
    args = parser.parse_args()
    if args.verb == "make":
        make(args.shape, args.out)
        return
    with tempfile.TemporaryDirectory() as work:
        run(args, work)


if __name__ == "__main__":
    main()
