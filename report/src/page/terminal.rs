//! Tables and paragraphs for a terminal.

use console::{Style, Term, measure_text_width, truncate_str};

use super::table::Table;
use crate::text::{in_cell, visible};

/// Minimum width of a page.
pub const MIN_WIDTH: usize = 40;
/// Width of the last column of names in a table.
const NAME_WIDTH: usize = 56;

/// Returns the terminal's width, or `plain` if there is no terminal.
pub fn width(plain: usize) -> usize {
    Term::stdout().size_checked().map_or(plain, |(_, columns)| usize::from(columns))
}

pub struct Page {
    pub width: usize,
}

impl Page {
    pub fn heading(&self, text: &str) -> String {
        Style::new().bold().underlined().apply_to(text).to_string()
    }

    pub fn bullet(&self, text: &str) -> String {
        format!("- {}", self.wrapped(text, 2))
    }

    pub fn table(&self, table: &Table) -> String {
        let shown = |cells: &[String]| cells.iter().map(|cell| visible(cell).into_owned()).collect::<Vec<_>>();
        let mut rows: Vec<(Vec<String>, bool)> = Vec::new();
        if !table.header.is_empty() {
            rows.push((shown(&table.header), false));
        }
        rows.extend(table.rows.iter().map(|row| (shown(&row.cells), row.emphasis)));
        let columns = rows.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0);
        let widest =
            |column: usize| rows.iter().filter_map(|(cells, _)| cells.get(column)).map(|c| measure_text_width(c)).max();
        let mut widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
        if let Some(name) = table.names.checked_sub(1).filter(|&name| name < columns) {
            let others: usize = (0..columns).filter(|&column| column != name).map(|column| widths[column] + 2).sum();
            widths[name] = widths[name].min(self.width.saturating_sub(others).clamp(16, NAME_WIDTH));
        }
        let line = |(cells, emphasis): &(Vec<String>, bool)| {
            let fitted = |(at, (cell, &width)): (usize, (&String, &usize))| {
                let cell = if at < table.names { cut_in_the_middle(cell, width) } else { cell.clone() };
                padded(&cell, width, at < table.names || table.header.is_empty())
            };
            let line = cells.iter().zip(&widths).enumerate().map(fitted).collect::<Vec<_>>().join("  ");
            let line = truncate_str(line.trim_end(), self.width, "…").into_owned();
            if *emphasis { Style::new().bold().apply_to(line).to_string() } else { line }
        };
        let lines: Vec<String> = rows.iter().map(line).collect();
        format!("{}\n{}\n{}", self.heading(table.title), self.wrapped(&table.note, 0), lines.join("\n"))
    }

    /// Wraps a text between words to the page's width. All lines but the first are indented.
    pub fn wrapped(&self, text: &str, indent: usize) -> String {
        let width = self.width.saturating_sub(indent);
        let mut out = String::new();
        let mut column = 0;
        for word in visible(text).split_whitespace() {
            let needed = measure_text_width(word);
            if column > 0 && column + 1 + needed > width {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = 0;
            } else if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += needed;
        }
        out
    }
}

pub fn padded(cell: &str, width: usize, left: bool) -> String {
    let cell = truncate_str(cell, width, "…");
    let blanks = " ".repeat(width.saturating_sub(measure_text_width(&cell)));
    if left { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
}

/// Shortens a name in the middle. Its end stays, because similar names differ there.
pub fn cut_in_the_middle(name: &str, width: usize) -> String {
    if measure_text_width(name) <= width {
        return name.to_owned();
    }
    let fits = |&(at, _): &(usize, char)| measure_text_width(&name[at..]) <= width.saturating_sub(1) / 2;
    let end = name.char_indices().rev().take_while(fits).last().map_or("", |(at, _)| &name[at..]);
    format!("{}{end}", truncate_str(name, width - measure_text_width(end), "…"))
}

pub fn clipped(text: &str, width: usize) -> String {
    truncate_str(&in_cell(text), width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_indented() {
        let page = Page { width: 12 };
        assert_eq!(page.wrapped("one two three four", 2), "one two\n  three four");
        assert_eq!(page.wrapped("unbreakable-word after", 0), "unbreakable-word\nafter");
        assert_eq!(page.wrapped("", 2), "");
    }

    #[test]
    fn names_keep_their_ends() {
        assert_eq!(cut_in_the_middle("gpt-3.5-turbo.listwise.1.trec", 16), "gpt-3.5-….1.trec");
        assert_eq!(cut_in_the_middle("short", 16), "short");
        assert_eq!(cut_in_the_middle("äöüäöüäöü", 4), "äö…ü");
    }

    #[test]
    fn texts_of_users_are_bounded_and_plain() {
        assert_eq!(clipped("a\u{1b}[31mb\nc", 20), "a [31mb c");
        assert_eq!(measure_text_width(&clipped(&"x".repeat(500), 60)), 60);
    }
}
