//! A self-contained page: styles and charts are in it, and it loads nothing.
//!
//! All text from files or from the command line goes through [`escaped`].

use std::cmp::Ordering;

use super::Chart;
use super::table::{Row, Table};

/// Returns the page with this title and these sections, which are markup.
pub fn document(title: &str, sections: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{sections}</main>\n</body>\n</html>\n",
        escaped(title),
        include_str!("style.css"),
    )
}

/// Escapes a text for a page: markup and control characters lose their meaning.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

pub fn clipped(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
        None => escaped(text),
    }
}

/// Returns a section of the page; empty if it has no content.
pub fn section(title: &str, content: &str) -> String {
    if content.is_empty() { String::new() } else { format!("<section>\n<h2>{title}</h2>\n{content}</section>\n") }
}

pub fn bullets(texts: &[String]) -> String {
    if texts.is_empty() {
        return String::new();
    }
    let items: String = texts.iter().map(|text| format!("<li>{}</li>\n", escaped(text))).collect();
    format!("<ul>\n{items}</ul>\n")
}

pub fn chart(chart: &Chart) -> String {
    let entry = |(colour, name): &(&str, String)| {
        format!("<li><i style=\"background:var(--{colour})\"></i>{}</li>", escaped(name))
    };
    let legend: String = chart.legend.iter().map(entry).collect();
    let legend = if legend.is_empty() { legend } else { format!("<ul class=\"legend\">{legend}</ul>\n") };
    let named = chart.svg.replacen("role=\"img\"", &format!("role=\"img\" aria-label=\"{}\"", chart.title), 1);
    format!(
        "<figure>\n<h3>{}</h3>\n{legend}{named}\n<figcaption>{}</figcaption>\n</figure>\n",
        chart.title,
        escaped(&chart.note)
    )
}

pub fn table(table: &Table) -> String {
    // The columns before the names are short, such as a number.
    let class = |at: usize| match (at + 1).cmp(&table.names) {
        Ordering::Less => "key",
        Ordering::Equal => "name",
        Ordering::Greater => "number",
    };
    let head = |(at, name): (usize, &String)| format!("<th class=\"{}\">{}</th>", class(at), escaped(name));
    let header: String = table.header.iter().enumerate().map(head).collect();
    let header = if header.is_empty() { header } else { format!("<thead><tr>{header}</tr></thead>\n") };
    let row = |row: &Row| {
        let cell = |(at, cell): (usize, &String)| format!("<td class=\"{}\">{}</td>", class(at), escaped(cell));
        let cells: String = row.cells.iter().enumerate().map(cell).collect();
        let class = if row.emphasis { " class=\"emphasis\"" } else { "" };
        format!("<tr{class}>{cells}</tr>\n")
    };
    let rows: String = table.rows.iter().map(row).collect();
    format!(
        "<h3>{}</h3>\n<p class=\"note\">{}</p>\n<div class=\"scroll\"><table>\n{header}<tbody>\n{rows}</tbody>\n</table></div>\n<p></p>\n",
        table.title,
        escaped(&table.note)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_users_is_text() {
        assert_eq!(
            escaped("<script>\"a\" & 'b'</script>\u{1b}"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt; "
        );
        assert_eq!(clipped("aé<c", 2), "aé…");
        assert_eq!(clipped("a<", 9), "a&lt;");
    }
}
