//! The report for a terminal: the verdict, what was found, the numbers, what to do.

use console::{Style, measure_text_width, truncate_str};
use nearsort::diagnose::{Finding, Moved, Recommendation, Severity, VerdictKind, WorstQuery};

use super::tables::{self, Table};
use super::{View, words};
use crate::words::one_line;

/// Longer lines are hard to read.
const MAX_WIDTH: usize = 120;
/// Narrower than this nothing can be set.
const MIN_WIDTH: usize = 40;
/// Columns of a query's text that are shown.
const QUERY_WIDTH: usize = 240;
/// Columns of a document's id.
const ID_WIDTH: usize = 12;
/// Columns of a table's first column.
const NAME_WIDTH: usize = 56;

pub fn report(view: &View, width: usize) -> String {
    let page = Page { width: width.clamp(MIN_WIDTH, MAX_WIDTH) };
    let report = &view.report;
    let mut parts = vec![page.verdict(view)];
    if !view.notes.is_empty() {
        let notes: Vec<String> = view.notes.iter().map(|note| page.bullet(&one_line(note))).collect();
        parts.push(notes.join("\n"));
    }
    parts.push(page.heading("Findings"));
    if report.findings.is_empty() {
        parts.push("Nothing was found wrong.".to_owned());
    }
    parts.extend(report.findings.iter().map(|finding| page.finding(finding)));
    parts.extend(tables::all(report).iter().map(|table| page.table(table)));
    if let Some(quality) = report.quality.as_ref().filter(|quality| !quality.worst.is_empty()) {
        parts.push(page.heading("Worst queries"));
        parts.extend(quality.worst.iter().map(|query| page.worst(query)));
    }
    if !report.cannot_say.is_empty() {
        let open = report.cannot_say.iter().map(|open| page.bullet(open)).collect::<Vec<_>>().join("\n");
        parts.push(page.heading("What cannot be said") + "\n" + &open);
    }
    parts.extend(report.recommendation.as_ref().map(|found| page.recommendation(view, found)));
    parts.join("\n\n") + "\n"
}

struct Page {
    width: usize,
}

impl Page {
    fn heading(&self, text: &str) -> String {
        Style::new().bold().underlined().apply_to(text).to_string()
    }

    fn verdict(&self, view: &View) -> String {
        let verdict = &view.report.verdict;
        let style = match verdict.kind {
            VerdictKind::Helps => Style::new().green().bold(),
            VerdictKind::Hurts => Style::new().red().bold(),
            _ => Style::new().yellow().bold(),
        };
        let (model, counts) = (&view.model, &view.report.counts);
        let setting = &view.report.setting;
        let below = format!(
            "{} with {} ({} {} on {}), {} queries, {} candidates, {} documents; query prompt {:?}, document prompt {:?}, {} pooling, at most {} tokens.",
            setting.configuration,
            model.name,
            model.engine,
            model.precision,
            model.device,
            counts.queries,
            counts.candidates,
            counts.documents,
            clipped(&setting.query_prompt, 60),
            clipped(&setting.document_prompt, 60),
            setting.pooling,
            view.max_tokens,
        );
        let text: Vec<String> =
            self.wrapped(&verdict.text, 0).lines().map(|line| style.apply_to(line).to_string()).collect();
        format!("{}\n\n{}", text.join("\n"), self.wrapped(&below, 0))
    }

    fn bullet(&self, text: &str) -> String {
        format!("- {}", self.wrapped(text, 2))
    }

    fn finding(&self, finding: &Finding) -> String {
        let style = match finding.severity {
            Severity::Problem => Style::new().red(),
            Severity::Warning => Style::new().yellow(),
            Severity::Info => Style::new().cyan(),
        };
        let mark = style.bold().apply_to(words::severity(finding.severity));
        let mut lines = vec![
            format!("{mark} {}", Style::new().bold().apply_to(finding.name)),
            format!("  {}", self.wrapped(&words::sentence(&one_line(&finding.evidence)), 2)),
        ];
        if !finding.examples.is_empty() {
            let examples: Vec<String> = finding.examples.iter().map(|example| clipped(example, 80)).collect();
            lines.push(format!("  {}", self.wrapped(&format!("Such as: {}.", examples.join("; ")), 2)));
        }
        lines.push(format!("  {}", self.wrapped(&format!("To do: {}.", one_line(&finding.remedy)), 2)));
        lines.join("\n")
    }

    fn table(&self, table: &Table) -> String {
        let mut rows: Vec<(Vec<String>, bool)> = Vec::new();
        if !table.header.is_empty() {
            rows.push((table.header.iter().map(|&name| name.to_owned()).collect(), false));
        }
        rows.extend(table.rows.iter().map(|row| (row.cells.clone(), row.emphasis)));
        let columns = rows.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0);
        let widest =
            |column: usize| rows.iter().filter_map(|(cells, _)| cells.get(column)).map(|c| measure_text_width(c)).max();
        let mut widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
        if table.names == 1 && columns > 0 {
            let others: usize = widths[1..].iter().map(|width| width + 2).sum();
            widths[0] = widths[0].min(self.width.saturating_sub(others).clamp(16, NAME_WIDTH));
        }
        let line = |(cells, emphasis): &(Vec<String>, bool)| {
            let cells = cells.iter().zip(&widths).enumerate();
            let padded =
                cells.map(|(at, (cell, &width))| padded(cell, width, at < table.names || table.header.is_empty()));
            let line = padded.collect::<Vec<_>>().join("  ");
            let line = truncate_str(line.trim_end(), self.width, "…").into_owned();
            if *emphasis { Style::new().bold().apply_to(line).to_string() } else { line }
        };
        let lines: Vec<String> = rows.iter().map(line).collect();
        format!("{}\n{}\n{}", self.heading(table.title), self.wrapped(&table.note, 0), lines.join("\n"))
    }

    fn worst(&self, query: &WorstQuery) -> String {
        let text = clipped(&query.text, QUERY_WIDTH);
        let head = format!("{}: {text} ({:.3} before, {:.3} after)", one_line(&query.id), query.before, query.after);
        let head = self.wrapped(&head, 2);
        let moved = query.moved.iter().map(|moved| self.moved(moved));
        std::iter::once(head).chain(moved).collect::<Vec<_>>().join("\n")
    }

    fn moved(&self, moved: &Moved) -> String {
        let grade = words::grade(moved);
        let text = one_line(&moved.excerpt);
        let id = padded(&one_line(&moved.id), ID_WIDTH, true);
        let line = format!("  {:>4} -> {:<4} {grade:<10}  {id}  {text}", moved.rank_before, moved.rank_after);
        truncate_str(&line, self.width, "…").into_owned()
    }

    fn recommendation(&self, view: &View, found: &Recommendation) -> String {
        let said = words::action(found.action);
        let mut lines =
            vec![self.heading("Recommendation"), self.wrapped(&format!("{said}: {}.", one_line(&found.reason)), 0)];
        // A command is not broken into lines: it is there to be copied.
        lines.extend(view.recommended.iter().map(|command| format!("\n  {command}")));
        if let Some(command) = &view.by_profile {
            lines.push(format!("\nor, with the profile that was written,\n\n  {command}"));
        }
        lines.join("\n")
    }

    /// Broken between words to the page's width; all lines but the first are indented.
    fn wrapped(&self, text: &str, indent: usize) -> String {
        let width = self.width.saturating_sub(indent);
        let mut out = String::new();
        let mut column = 0;
        for word in text.split_whitespace() {
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

fn padded(cell: &str, width: usize, left: bool) -> String {
    let cell = truncate_str(cell, width, "…");
    let blanks = " ".repeat(width.saturating_sub(measure_text_width(&cell)));
    if left { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
}

fn clipped(text: &str, width: usize) -> String {
    truncate_str(&one_line(text), width, "…").into_owned()
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
    fn texts_of_users_are_bounded_and_plain() {
        assert_eq!(clipped("a\u{1b}[31mb\nc", 20), "a [31mb c");
        assert_eq!(measure_text_width(&clipped(&"x".repeat(500), 60)), 60);
    }
}
