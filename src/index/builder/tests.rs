//! The steps of a build and of a deletion on the disk, and an index of another program.

use super::super::blocks::BlockWriter;
use super::super::deletion::delete;
use super::*;
use crate::encoder::Embeddings;
use crate::io::durable::take_steps;

struct Ones;

impl Encoder for Ones {
    fn dim(&self) -> usize {
        4
    }
    fn max_tokens(&self) -> usize {
        9
    }
    fn fingerprint(&self) -> Result<String> {
        Ok("ones".into())
    }
    fn encode(&self, texts: &[&str], _: Role) -> Result<Embeddings> {
        let (tokens, truncated) = (vec![1; texts.len()], vec![false; texts.len()]);
        Ok(Embeddings { vectors: ndarray::Array2::ones((texts.len(), 4)), tokens, truncated })
    }
}

fn build(folder: &Path, id: &str, replace: bool) {
    let model = IndexModel::of_encoder(&Ones, ["", ""]).unwrap();
    let options = BuildOptions { dtype: Dtype::F32, tokens: false, replace, restart: false };
    let mut builder = IndexBuilder::build(folder, &model, options).unwrap();
    builder.push_chunk(&Ones, &[(id, "text")], &Call::new()).unwrap();
    builder.finish().unwrap();
}

/// After a loss of power at any moment, the manifest names only files that are on the disk and
/// were not removed.
#[test]
fn everything_is_on_the_disk_before_what_relies_on_it() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), "old", false);
    take_steps();
    build(folder.path(), "new", true);
    let steps = take_steps();
    let index = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
    let place = |wanted: String, after: usize| {
        let found = steps[after..]
            .iter()
            .position(|step| step.starts_with("sync ") && step.ends_with(&wanted) || *step == wanted);
        after + found.unwrap_or_else(|| panic!("no '{wanted}' after {after} in {steps:#?}"))
    };
    let sealed = place("segment/vectors".into(), 0);
    let moved = place(format!("rename building/segment to {index}/segment-000002"), sealed);
    let names = place(format!("/{index}"), moved);
    let gone = place("/building".into(), moved);
    let manifest = steps.iter().position(|step| step.ends_with(&format!("to {index}/manifest.json"))).unwrap();
    assert!(names < manifest && gone < manifest, "{steps:#?}");
    let named = place(format!("/{index}"), manifest);
    let removed = steps.iter().rposition(|step| step.starts_with("remove segment-000001/")).unwrap();
    let first_removed = steps.iter().position(|step| step.starts_with("remove segment-000001/")).unwrap();
    assert!(named < first_removed && first_removed <= removed, "{steps:#?}");
    assert_eq!(steps[removed], "remove segment-000001/id-table", "{steps:#?}");
    let forgotten = place("remove building/journal".into(), named);
    assert!(forgotten > named);
}

/// The marks of deleted rows are on the disk, under their name, before the manifest names them.
/// The old ones are removed after that.
#[test]
fn marks_are_on_the_disk_before_the_manifest_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = IndexModel::of_encoder(&Ones, ["", ""]).unwrap();
    let options = BuildOptions { dtype: Dtype::F32, tokens: false, replace: false, restart: false };
    let mut builder = IndexBuilder::build(folder.path(), &model, options).unwrap();
    builder.push_chunk(&Ones, &[("a", "text"), ("b", "text"), ("c", "text")], &Call::new()).unwrap();
    builder.finish().unwrap();
    delete(folder.path(), &["a"]).unwrap();
    take_steps();
    delete(folder.path(), &["b"]).unwrap();
    let steps = take_steps();
    let place = |wanted: &str| {
        let found = steps.iter().position(|step| step.contains(wanted));
        found.unwrap_or_else(|| panic!("no '{wanted}' in {steps:#?}"))
    };
    let order = [
        place("sync segment-000001/deleted-000003"),
        steps.iter().position(|step| step.starts_with("sync ") && step.ends_with("/segment-000001")).unwrap(),
        place("/manifest.json"),
        place("remove segment-000001/deleted-000002"),
    ];
    assert!(order.is_sorted(), "{order:?}: {steps:#?}");
}

/// Vectors of another length, with correct checksums: the program that made the index was
/// wrong.
#[test]
fn a_score_that_no_two_vectors_have_is_an_error_that_names_the_block() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), "a", false);
    let mut manifest = IndexManifest::read(folder.path()).unwrap();
    let mut file = BlockWriter::create(&folder.path().join("segment-000001/vectors")).unwrap();
    let row: Vec<u8> = (0..16).flat_map(|at| if at < 4 { 0.6_f32 } else { 0.0 }.to_le_bytes()).collect();
    file.write(&row).unwrap();
    manifest.segments[0].files.insert("vectors".into(), file.seal().unwrap());
    manifest.write(folder.path()).unwrap();
    let index = Index::open(folder.path()).unwrap();
    for count in [1, 8] {
        let queries = ndarray::Array2::ones((count, 4));
        let message = index.search(queries.view(), 1).unwrap_err().to_string();
        assert!(message.contains("cosines from -1 to 1") && message.contains("row 0 (block 0)"), "{message}");
        assert!(message.contains("segment-000001/vectors"), "{message}");
    }
}
