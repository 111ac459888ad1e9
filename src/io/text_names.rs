//! The names of fields that are the text, and how they tell a header.

/// Fields taken as the text, the best first.
pub(super) const TEXT_NAMES: [&str; 7] = ["text", "content", "body", "document", "page_content", "contents", "passage"];

/// Whether the first line of a file, whose columns `delimiter` separates, is a header with a text.
pub(super) fn is_header(line: &[u8], delimiter: u8, text_field: Option<&str>) -> bool {
    let columns: Vec<&[u8]> = line.split(|&byte| byte == delimiter).map(unquoted_name).collect();
    let names_text = |column: &&[u8]| match text_field {
        Some(name) => column.eq_ignore_ascii_case(name.as_bytes()),
        None => TEXT_NAMES.iter().any(|name| column.eq_ignore_ascii_case(name.as_bytes())),
    };
    columns.len() > 1 && columns.iter().any(names_text)
}

/// A column name without the blanks and the quotes around it.
fn unquoted_name(column: &[u8]) -> &[u8] {
    let column = column.trim_ascii();
    column.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(column)
}
