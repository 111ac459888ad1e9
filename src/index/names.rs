//! The names of an index's files.

/// The manifest's name in the index's folder.
pub(super) const MANIFEST: &str = "manifest.json";

// In the folder of a segment.
pub(super) const VECTORS: &str = "vectors";
pub(super) const SCALES: &str = "scales";
pub(super) const IDS: &str = "ids";
pub(super) const ID_ENDS: &str = "id-ends";
pub(super) const ID_TABLE: &str = "id-table";
pub(super) const EMPTY: &str = "empty";
pub(super) const TOKENS: &str = "tokens";
pub(super) const TOKEN_ENDS: &str = "token-ends";

/// True for a name of `prefix` and at least six digits of a counter.
pub(super) fn is_numbered(name: &str, prefix: &str) -> bool {
    let digits = name.strip_prefix(prefix).unwrap_or_default();
    (6..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for the name of a segment's folder.
pub(super) fn is_segment_name(name: &str) -> bool {
    is_numbered(name, "segment-")
}

/// True for names of unfinished files, and of temporary files of systems without unnamed files.
pub(super) fn is_temporary(name: &str) -> bool {
    let is_unnamed = name.strip_prefix(".tmp").is_some_and(|rest| rest.len() == 6);
    is_unnamed || (name.starts_with(".nearsort-") && name.ends_with(".tmp"))
}

/// True if a segment can have a file of this name, except the marks of deleted rows.
pub(super) fn is_file_name(name: &str) -> bool {
    name == ID_TABLE || is_block_file(name)
}

/// True if a manifest may name this file.
pub(super) fn is_block_file(name: &str) -> bool {
    [VECTORS, SCALES, IDS, ID_ENDS, EMPTY, TOKENS, TOKEN_ENDS].contains(&name)
}
