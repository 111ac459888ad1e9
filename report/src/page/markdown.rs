//! Tables for a README.

use super::table::Table;
use crate::text::in_cell;

/// Returns a table with its title and note above; numbers are aligned to the right.
pub fn table(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let rule = (0..table.header.len()).map(|at| if at < table.names { "---" } else { "---:" }.to_owned());
    let mut lines = vec![format!("**{}.** {}\n", table.title, escaped(&table.note))];
    lines.push(line(table.header.iter().map(|name| escaped(name)).collect()));
    lines.push(line(rule.collect()));
    lines.extend(table.rows.iter().map(|row| line(row.cells.iter().map(|cell| escaped(cell)).collect())));
    lines.join("\n")
}

/// Escapes a text so that the table stays whole and markup and links are plain letters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in in_cell(text).chars() {
        if r"\|<>`*[]".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::table::{Row, words};

    #[test]
    fn texts_of_users_leave_a_table_whole() {
        let rows = vec![Row::plain(["a|b\n<i>".to_owned(), "0.5".to_owned()])];
        let shown =
            table(&Table { title: "T", note: "Of *all*.".to_owned(), header: words(["name", "n"]), rows, names: 1 });
        assert_eq!(shown, "**T.** Of \\*all\\*.\n\n| name | n |\n| --- | ---: |\n| a\\|b \\<i\\> | 0.5 |");
    }
}
