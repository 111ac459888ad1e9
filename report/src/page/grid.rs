//! Aligned columns. A row is a line, or several if a cell has several.

use console::measure_text_width;

/// The separator between columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Two spaces.
    Plain,
    /// Markdown's bars, with a rule below the header.
    Markdown,
}

impl Grid {
    /// Draws the rows, the first of which is the header. The first `names` columns are text; the
    /// others are numbers, aligned to the right.
    pub fn draw(self, rows: &[Vec<String>], names: usize) -> String {
        let columns = rows.first().map_or(0, Vec::len);
        let widest = |column: usize| rows.iter().flat_map(|row| row[column].lines()).map(measure_text_width).max();
        let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
        let mut lines: Vec<String> = rows.iter().flat_map(|row| self.lines(row, &widths, names)).collect();
        if self == Self::Markdown {
            let rule = widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>();
            lines.insert(rows.first().map_or(0, |row| height(row)), format!("|{}|", rule.join("|")));
        }
        lines.join("\n")
    }

    fn lines(self, row: &[String], widths: &[usize], names: usize) -> Vec<String> {
        let cell = |(at, (cell, &width)): (usize, (&String, &usize)), line: usize| {
            let text = cell.lines().nth(line).unwrap_or_default();
            let blanks = " ".repeat(width.saturating_sub(measure_text_width(text)));
            if at < names { format!("{text}{blanks}") } else { format!("{blanks}{text}") }
        };
        let line = |line: usize| {
            let cells = row.iter().zip(widths).enumerate().map(|found| cell(found, line)).collect::<Vec<_>>();
            match self {
                Self::Plain => cells.join("  ").trim_end().to_owned(),
                Self::Markdown => format!("| {} |", cells.join(" | ")),
            }
        };
        (0..height(row)).map(line).collect()
    }
}

/// Returns the number of lines of the row's longest cell.
fn height(row: &[String]) -> usize {
    row.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let rows = [["run", "AP"], ["äöü.trec", "0.5\n[0, 1]"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(Grid::Plain.draw(&rows, 1), "run           AP\näöü.trec     0.5\n          [0, 1]");
        assert_eq!(Grid::Markdown.draw(&rows[..1], 1), "| run | AP |\n|-----|----|");
    }
}
