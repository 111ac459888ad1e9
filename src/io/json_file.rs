//! Advice for JSON whose rows are nested in an object, such as `{"documents": [...]}`.

use super::given::{Given, GivenField};
use super::json::{self, JsonType, MAX_FIELDS};

/// Names under which services and data sets keep their rows, the best first.
const ROW_NAMES: [&str; 10] =
    ["documents", "passages", "results", "hits", "data", "rows", "items", "records", "docs", "candidates"];

/// Returns advice for a file that is one object, cut at any place: the command that extracts its
/// rows.
pub(super) fn advice_for_head(head: &str) -> Option<String> {
    let path = rows_path(head, 0)?;
    Some(format!("take its rows out: {}", jq(&path)))
}

/// Returns the same for an object that was read whole, to append to a message.
pub(super) fn advice_for_fields(fields: &[GivenField<'_>]) -> Option<String> {
    let is_list = fields.iter().any(|(name, _)| name == "query") && fields.iter().any(|(name, _)| name == "candidates");
    if is_list {
        return Some("; a query with its candidates is read with `candidates=FILE`".to_owned());
    }
    let objects = fields.iter().filter_map(|(name, value)| match value {
        Given::Json(json) => Some((name.as_ref(), json.as_ref())),
        Given::Text(_) | Given::Plain(_) => None,
    });
    let path = best_path(objects, 0)?;
    Some(format!("; if the rows are in {}, take them out: {}", shown(&path), jq(&path)))
}

fn shown(path: &[String]) -> String {
    format!("'{}'", path.join("."))
}

/// Returns a command that writes the elements of an array as rows.
fn jq(path: &[String]) -> String {
    let steps: String = path.iter().map(|step| format!("[{}]", json::quoted(step))).collect();
    let is_plain = |step: &String| {
        step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !step.starts_with(|c: char| c.is_ascii_digit())
    };
    let steps = match path.iter().all(is_plain) {
        true => format!(".{}", path.join(".")),
        false => format!(".{}", steps.replace('\'', "\\u0027")),
    };
    format!("jq -c '{steps}[]' FILE > rows.jsonl")
}

/// Returns the path of the array of rows in an object, which may be cut at its end.
fn rows_path(object: &str, depth: usize) -> Option<Vec<String>> {
    best_path(partial_fields(object).into_iter(), depth)
}

fn best_path<'j>(fields: impl Iterator<Item = (&'j str, &'j str)>, depth: usize) -> Option<Vec<String>> {
    let mut best: Option<(usize, Vec<String>)> = None;
    for (name, value) in fields {
        let place = ROW_NAMES.iter().position(|known| *known == name).unwrap_or(ROW_NAMES.len());
        let path = match value.as_bytes().first() {
            Some(b'[') if is_array_of_rows(value) => Some(vec![name.to_owned()]),
            Some(b'{') if depth < 3 => rows_path(value, depth + 1).map(|inner| [vec![name.to_owned()], inner].concat()),
            _ => None,
        };
        if let Some(path) = path.filter(|_| best.as_ref().is_none_or(|(found, _)| place < *found)) {
            best = Some((place, path));
        }
    }
    best.map(|(_, path)| path)
}

fn is_array_of_rows(array: &str) -> bool {
    matches!(array[1..].trim_start().as_bytes().first(), Some(b'{' | b'"'))
}

/// Returns the first fields of an object, as far as it goes. The last value may be cut.
fn partial_fields(object: &str) -> Vec<(&str, &str)> {
    let mut fields = Vec::new();
    let mut rest = object.trim_start().strip_prefix('{').unwrap_or_default();
    while fields.len() < MAX_FIELDS
        && let Some(name) = rest.trim_start().strip_prefix('"')
    {
        let Some((name, after)) = name.split_once('"') else { break };
        let Some(value) = after.trim_start().strip_prefix(':') else { break };
        let value = value.trim_start();
        let end = value_end(value);
        fields.push((name, &value[..end]));
        let Some(next) = value[end..].trim_start().strip_prefix(',') else { break };
        rest = next;
    }
    fields
}

/// Returns the end of the value at the start of a text, or the length of the text.
fn value_end(text: &str) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns advice to append to the message about a JSONL line that is the start of a longer
/// document.
pub(super) fn advice_for_line(line: &str) -> Option<&'static str> {
    let last = line.trim_end().bytes().last()?;
    let opens = matches!(last, b'{' | b'[' | b',') && matches!(line.trim_start().bytes().next(), Some(b'{' | b'['));
    opens.then_some("; JSON that goes over several lines is put on one by: jq -c . FILE > rows.jsonl")
}

/// Returns the message for a JSON file that does not begin with an array. `head`: its first bytes.
pub(super) fn no_array(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let first_line = head.lines().next().unwrap_or_default();
    let is_line = json::value(first_line).is_ok_and(|row| JsonType::of(row) != JsonType::Object || has_more(&head));
    let message = "a JSON input must be one array; for one object or string per line use `input_format=jsonl`";
    if is_line || !head.starts_with('{') {
        return message.to_owned();
    }
    match advice_for_head(&head) {
        Some(advice) => format!("this JSON file is one object, not an array; {advice}"),
        None if json::value(first_line).is_ok() => message.to_owned(),
        None => "a JSON input must be one array; to make one row of each object: jq -c . FILE > rows.jsonl".to_owned(),
    }
}

/// True if more text follows the first line.
fn has_more(head: &str) -> bool {
    head.split_once('\n').is_some_and(|(_, rest)| !rest.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_an_object_are_found_also_where_it_is_cut() {
        let cases = [
            ("{\"documents\": [{\"text\": \"a\"}]}", "jq -c '.documents[]'"),
            ("{\n \"took\": 3,\n \"hits\": {\"total\": 1, \"hits\": [{\"_id\"", "jq -c '.hits.hits[]'"),
            ("{\"vector\": [0.1, 0.2], \"tags\": [\"x\"], \"data\": [\"a\", \"b", "jq -c '.data[]'"),
            ("{\"my rows\": [{}]}", "jq -c '.[\"my rows\"][]'"),
        ];
        for (head, command) in cases {
            let advice = advice_for_head(head).unwrap();
            assert!(advice.contains(command), "{head}: {advice}");
        }
        for head in ["{}", "{\"text\": \"a [\\\"b\\\"]\"}", "{\"numbers\": [1, 2]}", "{\"a", "{\"a\": "] {
            assert_eq!(advice_for_head(head), None, "{head}");
        }
    }
}
