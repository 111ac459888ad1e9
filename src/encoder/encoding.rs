//! Parts of an encoding of the tokenizers library.

use std::ops::Range;

use tokenizers::Encoding;

/// Returns the first tokens of an encoding without special tokens.
pub(super) fn first_tokens(encoding: &Encoding, count: usize) -> Encoding {
    tokens_in(encoding, 0..count.min(encoding.len()))
}

/// Returns the last tokens of an encoding without special tokens.
pub(super) fn last_tokens(encoding: &Encoding, count: usize) -> Encoding {
    tokens_in(encoding, encoding.len().saturating_sub(count)..encoding.len())
}

fn tokens_in(encoding: &Encoding, range: Range<usize>) -> Encoding {
    Encoding::new(
        encoding.get_ids()[range.clone()].to_vec(),
        encoding.get_type_ids()[range.clone()].to_vec(),
        encoding.get_tokens()[range.clone()].to_vec(),
        encoding.get_word_ids()[range.clone()].to_vec(),
        encoding.get_offsets()[range.clone()].to_vec(),
        encoding.get_special_tokens_mask()[range.clone()].to_vec(),
        encoding.get_attention_mask()[range].to_vec(),
        Vec::new(),
        Default::default(),
    )
}
