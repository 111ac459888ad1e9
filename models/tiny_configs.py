"""The config.json of each tiny checkpoint, with the fields of real checkpoints on the hub."""

EPS = 1e-12


def bert_like(vocab, **more):
    """The fields that BERT, RoBERTa and JinaBERT share."""
    return {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 72,
        "layer_norm_eps": EPS,
        "max_position_embeddings": 64,
        "model_type": "bert",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "type_vocab_size": 2,
        "use_cache": True,
        "vocab_size": vocab,
        **more,
    }


def bert_config(vocab):
    return {"architectures": ["BertModel"], **bert_like(vocab)}


def electra_config(vocab):
    """Embeddings of half the width, which a layer brings to the whole."""
    return {
        "architectures": ["ElectraModel"],
        **bert_like(vocab, embedding_size=16, intermediate_size=40),
        **{"model_type": "electra", "summary_activation": "gelu", "summary_type": "first"},
    }


def deberta_config(vocab):
    """The fields of mxbai-rerank-xsmall-v1. Distances beyond 8 share buckets, and those beyond 15 more so."""
    fields = bert_like(vocab, max_position_embeddings=80, type_vocab_size=0, layer_norm_eps=1e-07)
    del fields["position_embedding_type"], fields["use_cache"]
    return {
        "architectures": ["DebertaV2Model"],
        **fields,
        "max_relative_positions": -1,
        "model_type": "deberta-v2",
        "norm_rel_ebd": "layer_norm",
        "pooler_dropout": 0,
        "pooler_hidden_act": "gelu",
        "pooler_hidden_size": fields["hidden_size"],
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "position_buckets": 16,
        "relative_attention": True,
        "share_att_key": True,
    }


def roberta_config(vocab, model_type="roberta", name="RobertaModel"):
    return {
        "architectures": [name],
        **bert_like(vocab, layer_norm_eps=1e-05, type_vocab_size=1, max_position_embeddings=66),
        **{"model_type": model_type, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2},
    }


def xlm_roberta_config(vocab):
    return roberta_config(vocab, "xlm-roberta", "XLMRobertaModel")


def distilbert_config(vocab):
    return {
        "activation": "gelu",
        "architectures": ["DistilBertModel"],
        "attention_dropout": 0.1,
        "dim": 32,
        "dropout": 0.1,
        "hidden_dim": 56,
        "initializer_range": 0.02,
        "max_position_embeddings": 64,
        "model_type": "distilbert",
        "n_heads": 4,
        "n_layers": 3,
        "pad_token_id": 0,
        "qa_dropout": 0.1,
        "seq_classif_dropout": 0.2,
        "sinusoidal_pos_embds": False,
        "tie_weights_": True,
        "vocab_size": vocab,
    }


def modernbert_config(vocab):
    """Five layers, the first and the fourth global; a window of four tokens to each side."""
    return {
        "architectures": ["ModernBertModel"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "classifier_activation": "gelu",
        "classifier_bias": False,
        "classifier_dropout": 0.0,
        "classifier_pooling": "mean",
        "cls_token_id": 1,
        "decoder_bias": True,
        "deterministic_flash_attn": False,
        "embedding_dropout": 0.0,
        "eos_token_id": 2,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "hidden_activation": "gelu",
        "hidden_size": 24,
        "initializer_cutoff_factor": 2.0,
        "initializer_range": 0.02,
        "intermediate_size": 40,
        "layer_norm_eps": 1e-05,
        "local_attention": 8,
        "local_rope_theta": 100.0,
        "max_position_embeddings": 80,
        "mlp_bias": False,
        "mlp_dropout": 0.0,
        "model_type": "modernbert",
        "norm_bias": False,
        "norm_eps": 1e-05,
        "num_attention_heads": 4,
        "num_hidden_layers": 5,
        "pad_token_id": 3,
        "position_embedding_type": "absolute",
        "sep_token_id": 2,
        "vocab_size": vocab,
    }


def qwen3_config(vocab):
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "head_dim": 12,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 56,
        "max_position_embeddings": 80,
        "max_window_layers": 2,
        "model_type": "qwen3",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": vocab,
    }


def qwen3_grouped_config(vocab):
    """Three heads to each head of keys, biases, heads as wide as two thirds of the hidden states; texts of hundreds of tokens."""
    fields = qwen3_config(vocab)
    del fields["rope_scaling"], fields["rope_theta"]
    return {
        **fields,
        "attention_bias": True,
        "head_dim": 16,
        "hidden_size": 24,
        "intermediate_size": 40,
        "max_position_embeddings": 512,
        "num_attention_heads": 6,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    }


def jina_config(vocab):
    """Six heads: ALiBi's slopes follow another rule when the number is no power of two."""
    return {
        "architectures": ["JinaBertForMaskedLM"],
        "emb_pooler": "mean",
        "feed_forward_type": "geglu",
        "model_max_length": 64,
        **bert_like(vocab, hidden_size=36, num_attention_heads=6, intermediate_size=44),
        "position_embedding_type": "alibi",
    }


def nomic_config(vocab):
    return {
        "activation_function": "swiglu",
        "architectures": ["NomicBertModel"],
        "attn_pdrop": 0.0,
        "causal": False,
        "embd_pdrop": 0.0,
        "initializer_range": 0.02,
        "layer_norm_epsilon": EPS,
        "max_trained_positions": 64,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "model_type": "nomic_bert",
        "n_embd": 32,
        "n_head": 4,
        "n_inner": 56,
        "n_layer": 2,
        "n_positions": 80,
        "parallel_block": False,
        "prenorm": False,
        "qkv_proj_bias": False,
        "resid_pdrop": 0.0,
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "type_vocab_size": 2,
        "use_rms_norm": False,
        "vocab_size": vocab,
    }
