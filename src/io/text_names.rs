//! The names of text fields, and the detection of a header by them.

/// Fields taken as the text, the best first.
pub(super) const TEXT_NAMES: [&str; 7] = ["text", "content", "body", "document", "page_content", "contents", "passage"];

/// True if the first line of a file, with columns separated by `delimiter`, is a header with a text
/// column.
pub(super) fn is_header(line: &[u8], delimiter: u8, text_field: Option<&str>) -> bool {
    let columns: Vec<&[u8]> = line.split(|&byte| byte == delimiter).map(unquoted_name).collect();
    let names_text = |column: &&[u8]| match text_field {
        Some(name) => column.eq_ignore_ascii_case(name.as_bytes()),
        None => TEXT_NAMES.iter().any(|name| column.eq_ignore_ascii_case(name.as_bytes())),
    };
    columns.len() > 1 && columns.iter().any(names_text)
}

/// Returns a column name without the blanks and quotes around it.
fn unquoted_name(column: &[u8]) -> &[u8] {
    let column = column.trim_ascii();
    column.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(column)
}
