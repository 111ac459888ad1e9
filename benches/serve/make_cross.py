"""A cross-encoder of a model's shape and vocabulary with random weights: `make_cross.py MODEL CROSS`. Only its speed counts.

For infinity's ONNX engine, afterwards:

    optimum-cli export onnx --model MODEL --task feature-extraction COPY_OF_MODEL/onnx
    optimum-cli export onnx --model CROSS --task text-classification COPY_OF_CROSS/onnx
"""

import sys

import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

source, target = sys.argv[1:]
torch.manual_seed(0)
config = BertConfig.from_pretrained(source, num_labels=1)
config.architectures = ["BertForSequenceClassification"]
BertForSequenceClassification(config).save_pretrained(target)
tokenizer = AutoTokenizer.from_pretrained(source)
tokenizer.model_max_length = config.max_position_embeddings
tokenizer.save_pretrained(target)
