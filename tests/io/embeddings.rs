//! Embeddings, and what others read of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nearsort::Error;
use nearsort::io::EmbeddingWriter;
use serde_json::Value;

use super::names_in;

fn metadata() -> BTreeMap<String, String> {
    [("model", "tiny \"é\""), ("role", "document")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Numbers that show a wrong byte order or too few digits.
const ROWS: [[f32; 3]; 2] = [[0.1, -1.5e-30, 16_777_217.0], [f32::MIN_POSITIVE / 2.0, f32::MAX, 0.333_333_34]];

fn write(path: &Path, rows: &[[f32; 3]]) {
    let mut writer = EmbeddingWriter::create(path, 3, &metadata()).unwrap();
    for (at, row) in rows.iter().enumerate() {
        writer.push(&format!("id \"{at}\""), row).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), rows.len() as u64);
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn npy_holds_the_rows_as_its_format_says() {
    let folder = tempfile::tempdir().unwrap();
    for num_rows in [0, 1, 2] {
        let path = folder.path().join("out.npy");
        write(&path, &ROWS[..num_rows]);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let header_bytes = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + header_bytes) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + header_bytes]).unwrap();
        assert_eq!(
            header.trim_end(),
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({num_rows}, 3), }}")
        );
        assert!(header.ends_with(" \n"));
        assert_eq!(floats(&bytes[10 + header_bytes..]), ROWS[..num_rows].concat());
    }
    assert_eq!(names_in(folder.path()), ["out.npy"]);
}

#[test]
fn safetensors_holds_one_tensor_and_the_metadata() {
    let folder = tempfile::tempdir().unwrap();
    for num_rows in [0, 1, 2] {
        let path = folder.path().join("out.safetensors");
        write(&path, &ROWS[..num_rows]);
        let bytes = fs::read(&path).unwrap();
        let (header_bytes, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header_bytes % 8, 0, "the data must lie on whole words");
        assert_eq!(header.metadata().clone().unwrap().into_iter().collect::<BTreeMap<_, _>>(), metadata());
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.names(), ["embeddings"]);
        let tensor = tensors.tensor("embeddings").unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (safetensors::Dtype::F32, &[num_rows, 3][..]));
        assert_eq!(floats(tensor.data()), ROWS[..num_rows].concat());
    }
}

#[test]
fn jsonl_holds_ids_and_numbers_that_come_back_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    write(&path, &ROWS);
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.starts_with("{\"id\":\"id \\\"0\\\"\",\"embedding\":[0.1,"), "{content}");
    for (line, row) in content.lines().zip(ROWS) {
        let value: Value = serde_json::from_str(line).unwrap();
        let found: Vec<f32> =
            value["embedding"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect();
        assert_eq!(found, row);
    }
    assert_eq!(content.lines().count(), 2);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing_and_the_old_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["out.npy", "out.safetensors", "out.jsonl"] {
        let path = folder.path().join(name);
        let mut writer = EmbeddingWriter::create(&path, 1, &metadata()).unwrap();
        writer.push("1", &[1.0]).unwrap();
        drop(writer);
    }
    assert!(names_in(folder.path()).is_empty());
    let path = folder.path().join("out.npy");
    fs::write(&path, "old").unwrap();
    let mut writer = EmbeddingWriter::create(&path, 1, &metadata()).unwrap();
    writer.push("1", &[1.0]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    writer.finish().unwrap();
    assert!(fs::read(&path).unwrap().starts_with(b"\x93NUMPY"));
    assert_eq!(names_in(folder.path()), ["out.npy"]);
}

#[cfg(unix)]
#[test]
fn the_output_has_the_rights_of_an_ordinary_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (ours, plain) = (folder.path().join("out.npy"), folder.path().join("plain"));
    write(&ours, &ROWS);
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn targets_that_cannot_be_written_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let create = |path: &Path| EmbeddingWriter::create(path, 3, &metadata()).unwrap_err();
    let directory = folder.path().join("dir.npy");
    fs::create_dir(&directory).unwrap();
    assert!(matches!(create(&directory), Error::Io { .. }));
    assert!(matches!(create(&folder.path().join("none/out.npy")), Error::Io { .. }));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(create(&file.join("out.npy")), Error::Io { .. }));
    let message = create(Path::new("out.parquet")).to_string();
    assert_eq!(message, "cannot tell the format of 'out.parquet'; its name must end in .npy, .safetensors or .jsonl");
}

#[test]
fn a_row_of_the_wrong_width_or_with_a_number_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EmbeddingWriter::create(folder.path().join("out.jsonl"), 2, &metadata()).unwrap();
    writer.push("a", &[0.0, 1.0]).unwrap();
    let message = writer.push("b", &[0.0]).unwrap_err().to_string();
    assert_eq!(message, "the embedding of row 2 ('b') has 1 numbers, not 2");
    let message = writer.push("b", &[0.0, f32::NAN]).unwrap_err().to_string();
    assert_eq!(message, "the embedding of row 2 ('b') has NaN at 1, not a finite number");
    assert!(EmbeddingWriter::create(folder.path().join("out.npy"), 0, &metadata()).is_err());
}
