//! Folders of models: config, modules, tokenizer and weights.

use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use nearsort::{
    CrossEncoder, CrossEncoderOptions, LocalEncoder, LocalEncoderOptions, ModelKind, ModelStore, Precision, Role,
    StoreOptions, TokenEncoder,
};

use crate::folder::{Template, temporary_folder};

/// One folder of each shape; the byte after the file's number chooses among them.
const FOLDERS: [&str; 8] = [
    "tiny-bert",
    "tiny-bert-dense",
    "tiny-modernbert",
    "tiny-distilbert",
    "tiny-xlm-roberta",
    "tiny-roberta",
    "cross-tiny-bert",
    "cross-tiny-modernbert",
];

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let read = |name: &&str| {
        let mut template = Template::read(&models.join(name));
        template.files.retain(|(path, _)| !path.ends_with("expected.json"));
        template
    };
    FOLDERS.iter().map(read).collect()
});

fn local(precision: Option<Precision>) -> LocalEncoderOptions {
    LocalEncoderOptions { threads: Some(1), precision, ..LocalEncoderOptions::default() }
}

/// One folder of each kind of tokenizer; in each the files of the tokenizer come first. Qwen3 needs
/// candle.
const TOKENIZERS: [&str; 6] = [
    "tiny-bert",
    "tiny-roberta",
    "tiny-modernbert",
    "tiny-xlm-roberta",
    "colbert-tiny-stanford",
    "cross-tiny-xlm-roberta",
];
const TOKENIZER_FILES: [&str; 3] = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];

/// What `special_tokens_map.json` looks like; no tiny model has one.
const SPECIAL_TOKENS: &str = r#"{"cls_token": "[CLS]", "sep_token": {"content": "[SEP]", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false}, "mask_token": "[MASK]", "additional_special_tokens": ["[Q]"]}"#;

static TOKENIZER_TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let read = |name: &&str| {
        let mut template = Template::read(&models.join(name));
        template.files.retain(|(path, _)| !path.ends_with("expected.json"));
        if !template.files.iter().any(|(path, _)| path.ends_with(TOKENIZER_FILES[2])) {
            template.files.push((TOKENIZER_FILES[2].into(), SPECIAL_TOKENS.into()));
        }
        let place = |path: &Path| TOKENIZER_FILES.iter().position(|name| path == Path::new(name));
        template.files.sort_by_key(|(path, _)| place(path).unwrap_or(TOKENIZER_FILES.len()));
        template
    };
    TOKENIZERS.iter().map(read).collect()
});

pub fn run(data: &[u8]) -> bool {
    load_one_of(&TEMPLATES, data)
}

/// The first byte names the folder, the second the file.
pub fn run_tokenizer(data: &[u8]) -> bool {
    let mut data = data.to_vec();
    if let Some(file) = data.get_mut(1) {
        *file %= TOKENIZER_FILES.len() as u8;
    }
    load_one_of(&TOKENIZER_TEMPLATES, &data)
}

pub fn tokenizer_seeds() -> Vec<Vec<u8>> {
    let of_folder = |(index, template): (usize, &Template)| {
        let seeds = template.seeds().into_iter().take(TOKENIZER_FILES.len());
        seeds.map(move |seed| [&[index as u8], seed.as_slice()].concat()).collect::<Vec<_>>()
    };
    TOKENIZER_TEMPLATES.iter().enumerate().flat_map(of_folder).collect()
}

/// Texts at which tokenizers go wrong: other scripts, what only looks like a space, more than the
/// limit.
const TEXTS: [&str; 4] = [
    "The Eiffel Tower stands in Paris.",
    "",
    "東京 naïve \u{1f468}\u{200d}\u{1f469} \u{202e}\u{a0}\u{0} [CLS] a\u{301}\u{fb01}",
    "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a. end of it",
];

fn load_one_of(templates: &[Template], data: &[u8]) -> bool {
    let Some((&chosen, rest)) = data.split_first() else { return false };
    let folder = templates[usize::from(chosen) % templates.len()].write(rest);
    let cache = temporary_folder();
    let store = ModelStore::new(StoreOptions { offline: true, ..StoreOptions::new(cache.path(), cache.path()) });
    let Ok(files) = store.parse(&folder.path().display().to_string()).and_then(|spec| store.get(&spec)) else {
        return false;
    };
    match ModelKind::of(&files) {
        Ok(ModelKind::CrossEncoder) => {
            let options = CrossEncoderOptions { local: local(None), ..CrossEncoderOptions::default() };
            let Ok(model) = CrossEncoder::load(files, options) else { return false };
            let pairs: Vec<_> = (0..TEXTS.len()).map(|text| (0, text)).collect();
            model.logits(&["where is it"], &TEXTS, &pairs).is_ok()
        }
        Ok(_) => {
            let Ok(model) = LocalEncoder::load(files, local(Some(Precision::F32))) else { return false };
            for text in TEXTS {
                let ranges = [model.windows(text, Role::Document), model.token_ranges(text, Role::Query)];
                let inside = |range: &Range<usize>| text.get(range.clone()).is_some();
                assert!(ranges.iter().flatten().flatten().all(inside), "a range outside the text");
            }
            // As vectors of texts and tokens; a late-interaction model has only the latter.
            model.encode_each(&TEXTS, Role::Document, &|_, _| ()).is_ok()
        }
        Err(_) => false,
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let of_folder = |(index, template): (usize, &Template)| {
        template.seeds().into_iter().map(move |seed| [&[index as u8], seed.as_slice()].concat()).collect::<Vec<_>>()
    };
    TEMPLATES.iter().enumerate().flat_map(of_folder).collect()
}
