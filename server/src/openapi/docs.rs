//! The description as a page, in the style of the page at `/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::page::{self, Page};

/// The methods of a path item, in the order of the page.
const METHODS: [&str; 2] = ["get", "post"];

/// Renders a description as HTML. All its texts are escaped.
pub(super) fn page(description: &Value) -> Page {
    let mut main = String::new();
    let info = &description["info"];
    paragraph(&mut main, info["description"].as_str());
    let tags = description["tags"].as_array().into_iter().flatten();
    for name in tags.filter_map(|tag| tag["name"].as_str()) {
        group(&mut main, name, description);
    }
    prefixes(&mut main, description);
    refusals(&mut main, description);
    main.push_str("<h2 id=\"schemas\">Bodies</h2>");
    for (name, schema) in entries(&description["components"]["schemas"]) {
        named_schema(&mut main, name, schema);
    }
    page::plain("nearsort: API", &main)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Renders the operations of a tag. Those under prefixes are described in one place.
fn group(out: &mut String, tag: &str, description: &Value) {
    let _ = write!(out, "<h2>{}</h2>", escaped(tag));
    for (path, item) in entries(&description["paths"]).filter(|(path, _)| !path.starts_with("/{")) {
        for method in METHODS {
            let operation = &item[method];
            if operation["tags"][0].as_str() == Some(tag) {
                self::operation(out, method, path, operation);
            }
        }
    }
}

fn operation(out: &mut String, method: &str, path: &str, operation: &Value) {
    let _ =
        write!(out, "<section class=\"operation\"><h3><code>{} {}</code></h3>", method.to_uppercase(), escaped(path));
    paragraph(out, operation["summary"].as_str());
    let content = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !content.is_null() {
        let _ = write!(out, "<p>Body: {}</p>", kind(content));
    }
    for (status, response) in entries(&operation["responses"]).filter(|(status, _)| is_answer(status)) {
        let _ = write!(out, "<p>Answer {}: {}</p>", escaped(status), content_of(response));
    }
    let refusals: Vec<String> = entries(&operation["responses"])
        .filter(|(status, _)| !is_answer(status))
        .map(|(status, _)| escaped(status))
        .collect();
    if !refusals.is_empty() {
        let _ = write!(out, "<p>Otherwise: <a href=\"#refusals\">{}</a></p>", refusals.join(", "));
    }
    out.push_str("</section>");
}

fn is_answer(status: &str) -> bool {
    status.starts_with('2')
}

/// Returns the content of a response: a schema, or the media type of a text.
fn content_of(response: &Value) -> String {
    let one = |(media, content): (&String, &Value)| match media.as_str() {
        "application/json" => kind(&content["schema"]),
        other => format!("<code>{}</code>", escaped(other)),
    };
    entries(&response["content"]).map(one).collect::<Vec<_>>().join(", ")
}

/// Renders the meaning of each refusal's status, once for all operations.
fn refusals(out: &mut String, description: &Value) {
    let operations = entries(&description["paths"]).flat_map(|(_, item)| entries(item));
    let responses = operations.flat_map(|(_, operation)| entries(&operation["responses"]));
    let meanings: BTreeMap<&String, &str> = responses
        .filter(|(status, _)| !is_answer(status))
        .map(|(status, response)| (status, response["description"].as_str().unwrap_or_default()))
        .collect();
    out.push_str("<h2 id=\"refusals\">Refusals</h2><ul>");
    for (status, meaning) in meanings {
        let _ = write!(out, "<li><b>{}</b> {}</li>", escaped(status), code(&escaped(meaning)));
    }
    out.push_str("</ul>");
}

fn prefixes(out: &mut String, description: &Value) {
    let forced: Vec<_> = entries(&description["paths"]).filter(|(path, _)| path.starts_with("/{")).collect();
    let Some((_, first)) = forced.first() else { return };
    let names = METHODS.iter().find_map(|method| first[*method]["parameters"][0]["schema"]["enum"].as_array());
    let names: Vec<String> = names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|name| format!("<code>{}</code>", escaped(name)))
        .collect();
    let _ = write!(
        out,
        "<h2>Forced dialects</h2><p>Under a prefix the body is read and answered in that dialect, whatever its keys show. \
         <code>dialect</code> is one of {}.</p><ul>",
        names.join(", ")
    );
    for (path, item) in forced {
        let methods = METHODS.iter().filter(|method| !item[**method].is_null()).map(|method| method.to_uppercase());
        for method in methods {
            let _ = write!(out, "<li><code>{method} {}</code></li>", escaped(path));
        }
    }
    out.push_str("</ul>");
}

fn named_schema(out: &mut String, name: &str, schema: &Value) {
    let _ = write!(out, "<section class=\"operation\"><h3 id=\"{0}\">{0}</h3>", escaped(name));
    paragraph(out, schema["description"].as_str());
    if schema["properties"].is_null() {
        let _ = write!(out, "<p>{}</p>", kind(schema));
    } else {
        properties(out, schema);
    }
    for example in schema["examples"].as_array().into_iter().flatten() {
        let text = serde_json::to_string_pretty(example).unwrap_or_default();
        let _ = write!(out, "<pre tabindex=\"0\">{}</pre>", escaped(&text));
    }
    out.push_str("</section>");
}

fn properties(out: &mut String, schema: &Value) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    out.push_str("<table class=\"fields\"><thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr></thead><tbody>");
    for (name, property) in entries(&schema["properties"]) {
        let mark = if required.contains(&name.as_str()) { " <b>required</b>" } else { "" };
        let meaning = escaped(property["description"].as_str().unwrap_or_default());
        let _ = write!(
            out,
            "<tr><th scope=\"row\"><code>{}</code>{mark}</th><td>{}</td><td>{}</td></tr>",
            escaped(name),
            kind(property),
            code(&meaning)
        );
    }
    out.push_str("</tbody></table>");
}

/// Describes a schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(name));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("<code>{}</code>", escaped(&value.to_string())))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if !schema["const"].is_null() {
        return format!("<code>{}</code>", escaped(&schema["const"].to_string()));
    }
    let ways = schema["anyOf"].as_array().filter(|_| schema["type"].is_null());
    if let Some(ways) = ways {
        return ways.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let range = bounds(schema);
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => escaped(name) + &range,
        Value::Array(names) if names.iter().any(|name| name == "array") => {
            format!("list of {} or null", kind(&schema["items"]))
        }
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ") + &range,
        _ => "anything".to_owned(),
    }
}

/// Describes a range with meaning; the largest number of 32 bits has none.
fn bounds(schema: &Value) -> String {
    let most = schema["maximum"].as_u64().filter(|most| *most != u64::from(u32::MAX));
    match (schema["minimum"].as_i64(), most) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", from {least}"),
        _ => String::new(),
    }
}

fn paragraph(out: &mut String, text: Option<&str>) {
    if let Some(text) = text {
        let _ = write!(out, "<p>{}</p>", code(&escaped(text)));
    }
}

/// Marks text between backquotes as code.
fn code(escaped: &str) -> String {
    let mut html = String::new();
    for (at, part) in escaped.split('`').enumerate() {
        html.push_str(if at == 0 {
            ""
        } else if at % 2 == 1 {
            "<code>"
        } else {
            "</code>"
        });
        html.push_str(part);
    }
    if escaped.matches('`').count() % 2 == 1 {
        html.push_str("</code>");
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
