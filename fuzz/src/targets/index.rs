//! Files of an index.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use nearsort::index::{BuildOptions, Dtype, IndexModel};
use nearsort::{
    Call, Encoder, Index, IndexBuilder, IndexScorer, LocalEncoder, LocalEncoderOptions, ModelStore, StoreOptions,
};

use crate::folder::{Template, temporary_folder};

static ENCODER: LazyLock<Arc<LocalEncoder>> = LazyLock::new(|| {
    let cache = temporary_folder();
    let store = ModelStore::new(StoreOptions { offline: true, ..StoreOptions::new(cache.path(), cache.path()) });
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny-bert");
    let files = store.parse(&model.display().to_string()).and_then(|spec| store.get(&spec)).expect("the tiny model");
    Arc::new(LocalEncoder::load(files, LocalEncoderOptions::default()).expect("the tiny model"))
});

/// Two segments with token vectors, a deleted row and an empty text.
static INDEX: LazyLock<Template> = LazyLock::new(|| {
    let folder = temporary_folder();
    let path = folder.path().join("index");
    let model = IndexModel::of(&ENCODER).expect("the model");
    let options = BuildOptions { dtype: Dtype::F16, tokens: true, replace: false, restart: false };
    let rows = [("a", "The Eiffel Tower"), ("b", "Paris"), ("c", ""), ("d", "sourdough starter")];
    let mut builder = IndexBuilder::build(&path, &model, options).expect("a builder");
    builder.push_chunk(&**ENCODER, &rows, &Call::new()).expect("rows");
    builder.finish().expect("an index");
    let mut builder = IndexBuilder::add(&path, &model, false, false).expect("a builder");
    builder.push_chunk(&**ENCODER, &[("e", "one more")], &Call::new()).expect("a row");
    builder.finish().expect("an index");
    nearsort::index::delete(&path, &["b"]).expect("a deletion");
    Template::read(&path)
});

pub fn run(data: &[u8]) -> bool {
    let folder = INDEX.write(data);
    let Ok(index) = Index::open(folder.path()) else { return false };
    let _ = index.damages();
    let index = Arc::new(index);
    let _ = index.find_all(&["a", "e", "zz"]);
    for row in 0..index.rows().min(8) {
        let _ = index.id(row);
    }
    let Ok(scorer) = IndexScorer::new(Arc::clone(&index), ENCODER.clone() as Arc<dyn Encoder>, None) else {
        return false;
    };
    let Ok(queries) = scorer.encode(&["where is the tower"], &Call::new()) else { return false };
    if let Ok(hits) = scorer.search(&queries, 3, &Call::new()) {
        for hit in hits.iter().flatten() {
            assert!(hit.score.is_finite() && hit.score.abs() < 1.01, "an impossible score: {}", hit.score);
        }
    }
    let Ok(found) = index.find_all(&["a", "c", "d", "e"]) else { return false };
    let rows: Vec<u64> = found.into_iter().flatten().collect();
    scorer.score(&queries[0], &rows).is_ok()
}

pub fn seeds() -> Vec<Vec<u8>> {
    INDEX.seeds()
}
