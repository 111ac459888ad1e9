//! Folders of models: config, modules, tokenizer and weights.

use std::path::Path;
use std::sync::LazyLock;

use nearsort::{
    CrossEncoder, CrossEncoderOptions, Encoder, LocalEncoder, LocalEncoderOptions, ModelKind, ModelStore, Precision,
    Role, StoreOptions,
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

pub fn run(data: &[u8]) -> bool {
    let Some((&chosen, rest)) = data.split_first() else { return false };
    let folder = TEMPLATES[usize::from(chosen) % TEMPLATES.len()].write(rest);
    let cache = temporary_folder();
    let store = ModelStore::new(StoreOptions { offline: true, ..StoreOptions::new(cache.path(), cache.path()) });
    let Ok(files) = store.parse(&folder.path().display().to_string()).and_then(|spec| store.get(&spec)) else {
        return false;
    };
    match ModelKind::of(&files) {
        Ok(ModelKind::CrossEncoder) => {
            let options = CrossEncoderOptions { local: local(None), ..CrossEncoderOptions::default() };
            let Ok(model) = CrossEncoder::load(files, options) else { return false };
            model.logits(&["where is it"], &["The Eiffel Tower", ""], &[(0, 0), (0, 1)]).is_ok()
        }
        Ok(_) => {
            let Ok(model) = LocalEncoder::load(files, local(Some(Precision::F32))) else { return false };
            model.encode(&["The Eiffel Tower stands in Paris.", "", "東京 naïve"], Role::Document).is_ok()
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
