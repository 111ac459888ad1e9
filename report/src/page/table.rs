//! Numbers as rows of text, the same for every format.

use nearsort::eval::{Comparison, Interval};

/// A table. The first `names` columns are text, the others numbers.
pub struct Table {
    pub title: &'static str,
    /// The meaning of the numbers.
    pub note: String,
    /// Empty for a list of names and values.
    pub header: Vec<String>,
    pub rows: Vec<Row>,
    pub names: usize,
}

/// A row. An emphasised one is the requested or the recommended setting.
pub struct Row {
    pub cells: Vec<String>,
    pub emphasis: bool,
}

impl Row {
    pub fn plain(cells: impl IntoIterator<Item = String>) -> Self {
        Self { cells: cells.into_iter().collect(), emphasis: false }
    }
}

/// Returns the names of columns.
pub fn words<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

/// Returns a table of names and values.
pub fn list(title: &'static str, note: &str, rows: impl IntoIterator<Item = [String; 2]>) -> Table {
    let rows = rows.into_iter().map(Row::plain).collect();
    Table { title, note: note.to_owned(), header: Vec::new(), rows, names: 1 }
}

pub fn interval(found: &Interval) -> String {
    format!("{:.3} to {:.3}", found.low, found.high)
}

pub fn difference(found: &Comparison) -> [String; 2] {
    let Interval { mean, low, high } = found.difference;
    [format!("{mean:+.4}"), format!("{low:+.3} to {high:+.3}")]
}

pub fn counts(found: &Comparison) -> String {
    format!("{}/{}/{}", found.wins, found.ties, found.losses)
}

pub fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent.abs() >= 10.0 || percent == 0.0 => format!("{percent:.0} %"),
        percent => format!("{percent:.1} %"),
    }
}
