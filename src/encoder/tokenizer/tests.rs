//! The tokenizers of `models/` with texts in every script: the work, cut texts and windows.

use std::path::Path;
use std::sync::atomic::Ordering;

use tokenizers::TruncationParams;

use super::super::cuts::tests::{TEXTS, TOKENIZERS, repeated};
use super::super::{Contract, Overrides};
use super::*;
use crate::store::{ModelSpec, ModelStore, StoreOptions};

fn load(model: &str, max_tokens: usize) -> TextTokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model);
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    let files = store.get(&ModelSpec::parse(folder.to_str().unwrap()).unwrap()).unwrap();
    let overrides = Overrides { max_tokens: Some(max_tokens), ..Overrides::default() };
    TextTokenizer::load(&files, &Contract::read(&files, &overrides).unwrap()).unwrap()
}

/// Returns the bytes tokenized for a text: in windows, and with truncation.
fn work(tokenizer: &TextTokenizer, text: &str) -> [usize; 2] {
    let spent = |task: &dyn Fn()| {
        tokenizer.shared.work.store(0, Ordering::Relaxed);
        task();
        tokenizer.shared.work.load(Ordering::Relaxed)
    };
    let windows = spent(&|| drop(tokenizer.windows(text, Role::Document).unwrap()));
    [windows, spent(&|| drop(tokenizer.tokenize(text, Role::Document).unwrap()))]
}

#[test]
fn work_grows_with_the_length_in_every_script() {
    // A window takes eight bytes per token, and four times as many if these hold too few
    // tokens.
    const TRY: usize = 64 * BYTES_PER_TOKEN / 4;
    // The last window may be short. A place to cut may be up to 2,048 bytes behind the
    // requested length.
    const ONCE: usize = 5 * (TRY + 2_048);
    for model in TOKENIZERS {
        let tokenizer = load(model, 64);
        let room = tokenizer.room(Role::Document);
        for text in TEXTS {
            let mut before = usize::MAX / 7;
            for length in [10_000, 40_000] {
                let text = repeated(text, length);
                let [windows, cut] = work(&tokenizer, &text);
                let said = format!("{model}: {windows} bytes for windows of {length}: {text:.20}");
                // With one try a window has `room` tokens of at least a byte: TRY / room bytes
                // for each of the text, 8.3. With two, TRY bytes held no more than room +
                // UNSURE_TOKENS, so a window has room times as many: 10.2.
                let most = 5 * (room + UNSURE_TOKENS) * text.len() / room;
                // Four times the length. Windows that need a second try come at other places; a
                // square would be 16 times as much.
                assert!(windows <= most + ONCE && windows <= 6 * before + ONCE, "{said}");
                assert!(cut <= 7 * text.len() / 3, "{model}: {cut} bytes for cutting {length}: {:.20}", text);
                before = windows;
            }
        }
    }
}

#[test]
fn a_cut_text_has_the_first_tokens_of_the_whole() {
    for model in TOKENIZERS {
        let tokenizer = load(model, 40);
        // The library's own truncation of the whole text.
        let mut whole = tokenizer.shared.inner().clone();
        whole.with_truncation(Some(TruncationParams { max_length: 40, ..Default::default() })).unwrap();
        for text in TEXTS {
            let text = repeated(text, 12_000);
            let found = tokenizer.tokenize(&text, Role::Document).unwrap();
            let expected = whole.encode_fast(format!("{}{text}", tokenizer.document_prompt), true).unwrap();
            assert_eq!(found.ids, expected.get_ids(), "{model}: {text:.20}");
            assert_eq!(found.truncated, !expected.get_overflowing().is_empty(), "{model}: {text:.20}");
        }
    }
}

#[test]
fn windows_cover_a_text_and_fit() {
    for model in TOKENIZERS {
        let tokenizer = load(model, 64);
        for text in TEXTS {
            let text = repeated(text, 5_000);
            let windows = tokenizer.windows(&text, Role::Document).unwrap();
            let mut end = 0;
            for window in &windows {
                assert!(window.start <= end && window.end > end, "{model}: {windows:?}");
                end = window.end;
                let piece = tokenizer.tokenize(&text[window.clone()], Role::Document).unwrap();
                assert!(!piece.truncated, "{model}: {window:?} of {:.20}", text);
            }
            assert_eq!(end, text.len());
        }
    }
}
