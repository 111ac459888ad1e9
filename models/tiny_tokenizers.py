"""Tiny tokenizers of the kinds that the supported architectures use.

The vocabularies are learnt here from SENTENCES and not by the trainers of
`tokenizers`: those break ties by the order of a hash map, and make_expected.py
must write the same bytes twice.
"""

import collections
import math

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models
from tokenizers import normalizers, pre_tokenizers, processors

from parity_texts import SENTENCES

VOCAB = 320


def learn_pieces(tokenizer, split, size, join):
    """Byte-pair merges over SENTENCES: (symbol -> count of the alphabet, [(left, right, count)]).

    `split` turns a pre-tokenized word into symbols, `join` puts two symbols together; `size`
    bounds alphabet and merges together. Ties go to the pair that sorts first.
    """
    words = collections.Counter()
    for sentence in SENTENCES:
        if tokenizer.normalizer is not None:
            sentence = tokenizer.normalizer.normalize_str(sentence)
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(sentence):
            words[tuple(split(word))] += 1
    alphabet = collections.Counter()
    for word, count in words.items():
        alphabet.update({symbol: count * word.count(symbol) for symbol in set(word)})
    merges = []
    while len(alphabet) + len(merges) < size:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append((*best, pairs[best]))
        words = collections.Counter(
            {merged(word, best, join(*best)): count for word, count in words.items()}
        )
    return alphabet, merges


def merged(word, pair, symbol):
    """`word` with every `pair` of neighbours put together as `symbol`."""
    out = []
    for part in word:
        if out and (out[-1], part) == pair:
            out[-1] = symbol
        else:
            out.append(part)
    return tuple(out)


def template(tokenizer, single, names):
    """The post-processor that adds the special tokens `names`."""
    return processors.TemplateProcessing(
        single=single, special_tokens=[(name, tokenizer.token_to_id(name)) for name in names]
    )


def wordpiece(lowercase=True, contradiction=False):
    """BERT's tokenizer; `contradiction` adds a short truncation and fixed padding to the file."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

    def split(word):
        return [word[0]] + ["##" + letter for letter in word[1:]]

    def join(left, right):
        return left + right.removeprefix("##")

    alphabet, merges = learn_pieces(tokenizer, split, VOCAB - len(special), join)
    pieces = special + sorted(alphabet) + [join(left, right) for left, right, _ in merges]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer.model = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100)
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = template(tokenizer, "[CLS] $A [SEP]", ["[CLS]", "[SEP]"])
    if contradiction:  # as all-MiniLM-L6-v2 does
        tokenizer.enable_truncation(24)
        tokenizer.enable_padding(length=24, pad_id=0, pad_token="[PAD]")
    return tokenizer


def unigram(special=("<s>", "<pad>", "</s>", "<unk>"), mask="<mask>", single="<s> $A </s>"):
    """XLM-RoBERTa's tokenizer, NFKC in the place of SentencePiece's compiled rules. The fourth of `special` is the unknown token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    special = list(special)
    alphabet, merges = learn_pieces(tokenizer, list, VOCAB - len(special) - 1, str.__add__)
    counts = dict(sorted(alphabet.items()))
    counts.update({left + right: count for left, right, count in merges})
    total = sum(counts.values())
    scored = [(piece, round(math.log(count / total), 6)) for piece, count in counts.items()]
    vocab = [(name, 0.0) for name in special] + scored + [(mask, 0.0)]
    tokenizer.model = models.Unigram(vocab, unk_id=3, byte_fallback=False)
    tokenizer.add_special_tokens(special)
    tokenizer.add_special_tokens([AddedToken(mask, lstrip=True, special=True)])
    tokenizer.post_processor = template(tokenizer, single, [word for word in single.split() if word != "$A"])
    return tokenizer


def deberta_unigram():
    """DeBERTa-v3: BERT's special tokens around pieces of SentencePiece."""
    return unigram(("[PAD]", "[CLS]", "[SEP]", "[UNK]"), "[MASK]", "[CLS] $A [SEP]")


def byte_level(special, single, names, normalizer=None, more=()):
    """Byte-level BPE as of RoBERTa, ModernBERT and Qwen3; `single` places the special tokens, `more` are pieces without merges."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learnt, merges = learn_pieces(tokenizer, list, 160, str.__add__)
    assert set(learnt) <= set(alphabet)
    pieces = special + alphabet + [left + right for left, right, _ in merges] + list(more)
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer.model = models.BPE(vocab, [(left, right) for left, right, _ in merges])
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), template(tokenizer, single, names)]
    )
    return tokenizer


def roberta_bpe():
    """RoBERTa: <s> A </s>."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    return byte_level(special, "<s> $A </s>", ["<s>", "</s>"])


def modernbert_bpe():
    """ModernBERT: BERT's special tokens around byte-level pieces."""
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    return byte_level(special, "[CLS] $A [SEP]", ["[CLS]", "[SEP]"], normalizers.NFC())


def qwen3_bpe(answers=()):
    """Qwen3-Embedding: nothing in front, <|endoftext|> behind, which last-token pooling reads. Qwen3-Reranker has `answers`."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return byte_level(special, "$A <|endoftext|>", ["<|endoftext|>"], normalizers.NFC(), answers)
