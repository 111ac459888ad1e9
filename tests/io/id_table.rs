//! The table of ids on disk.

use std::fs;
use std::path::Path;

use nearsort::Error;
use nearsort::io::{IdTable, IdTableBuilder};
use proptest::prelude::*;

use super::names_in;

/// A table of `ids` in `folder`, each with its place as the row.
fn table(folder: &Path, ids: &[impl AsRef<str>]) -> IdTable {
    let mut builder = IdTableBuilder::new(folder);
    for (row, id) in ids.iter().enumerate() {
        builder.push(id.as_ref(), row as u64).unwrap();
    }
    assert_eq!(builder.len(), ids.len() as u64);
    builder.finish(folder.join("ids.table")).unwrap()
}

#[test]
fn every_id_is_found_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    for count in [0, 1, 255, 256, 257, 5000] {
        let ids: Vec<String> = (0..count).map(|n| format!("doc-{n}")).collect();
        let built = table(folder.path(), &ids);
        let opened = IdTable::open(folder.path().join("ids.table")).unwrap();
        for table in [&built, &opened] {
            assert_eq!((table.len(), table.is_empty()), (count, count == 0));
            for (row, id) in (0..).zip(&ids) {
                assert_eq!(table.find(id).unwrap(), [row], "{id} of {count}");
            }
            assert!(table.find("doc--1").unwrap().is_empty() && table.find("").unwrap().is_empty());
        }
    }
    assert_eq!(names_in(folder.path()), ["ids.table"], "no temporary file is left");
}

#[test]
fn an_id_with_several_rows_has_them_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = IdTableBuilder::new(folder.path());
    for (id, row) in [("a", 9), ("b", 4), ("a", u64::MAX), ("a", 0)] {
        builder.push(id, row).unwrap();
    }
    let table = builder.finish_unnamed().unwrap();
    assert_eq!(table.find("a").unwrap(), [0, 9, u64::MAX]);
    assert_eq!(table.entries().count(), 4);
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn more_ids_than_memory_holds_are_found_too() {
    let folder = tempfile::tempdir().unwrap();
    // More than two of the sorted runs of 4 MiB.
    let count = 600_000_u64;
    let mut builder = IdTableBuilder::new(folder.path());
    for row in (0..count).rev() {
        builder.push(&row.to_string(), row).unwrap();
    }
    let table = builder.finish_unnamed().unwrap();
    assert_eq!(table.len(), count);
    for row in (0..count).step_by(997) {
        assert_eq!(table.find(&row.to_string()).unwrap(), [row]);
    }
    let hashes: Vec<u64> = table.entries().map(|entry| entry.unwrap().0).collect();
    assert!(hashes.is_sorted() && hashes.len() as u64 == count);
}

#[test]
fn a_truncated_a_lengthened_and_a_foreign_file_are_no_tables() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    table(folder.path(), &ids);
    let whole = fs::read(folder.path().join("ids.table")).unwrap();
    let path = folder.path().join("broken.table");
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        IdTable::open(&path).unwrap_err()
    };
    for length in [0, 1, 23, 24, 25, whole.len() / 2, whole.len() - 1] {
        assert!(matches!(open(&whole[..length]), Error::Corrupted { .. }), "{length} bytes");
    }
    assert!(matches!(open(&[&whole[..], b"x"].concat()), Error::Corrupted { .. }));
    let foreign = open(b"{\"text\": \"a\"}\n{\"text\": \"b\"}\n").to_string();
    assert!(
        foreign.ends_with("expected an id table, found another kind of file; remove it and have it written again"),
        "{foreign}"
    );
    let mut newer = whole.clone();
    newer[8] = 2;
    assert!(open(&newer).to_string().contains("expected version 1, found version 2"));
    // A count near the largest number must not wrap around to the right size.
    let mut huge = whole.clone();
    huge[16..24].fill(0xFF);
    assert!(matches!(open(&huge), Error::Corrupted { .. }));
    assert!(matches!(IdTable::open(folder.path().join("none")).unwrap_err(), Error::Io { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8) {
        let folder = tempfile::tempdir().unwrap();
        let ids: Vec<String> = (0..600).map(|n| n.to_string()).collect();
        table(folder.path(), &ids);
        let path = folder.path().join("ids.table");
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        fs::write(&path, bytes).unwrap();
        let found = IdTable::open(&path).and_then(|table| table.entries().collect::<Result<Vec<_>, _>>());
        prop_assert!(matches!(found, Err(Error::Corrupted { .. })), "byte {}", at);
    }
}
