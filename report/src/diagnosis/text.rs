//! The report for a terminal: the verdict, the findings, the numbers, the recommendation.

use console::{Style, truncate_str};
use nearsort::diagnose::{Finding, Moved, Recommendation, Severity, VerdictKind, WorstQuery};

use super::view::DiagnosisView;
use super::{tables, words};
use crate::page::terminal::{MIN_WIDTH, Page, clipped, padded};
use crate::text::in_cell;

/// Maximum width; longer lines are hard to read.
const MAX_WIDTH: usize = 120;
/// Maximum columns of a query's text.
const QUERY_WIDTH: usize = 240;
/// Maximum columns of a document's id.
const ID_WIDTH: usize = 12;

pub fn report(view: &DiagnosisView<'_>, width: usize) -> String {
    let page = Page { width: width.clamp(MIN_WIDTH, MAX_WIDTH) };
    let report = view.report;
    let mut parts = vec![page.verdict(view)];
    if !view.notes.is_empty() {
        let notes: Vec<String> = view.notes.iter().map(|note| page.bullet(&in_cell(note))).collect();
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

impl Page {
    fn verdict(&self, view: &DiagnosisView<'_>) -> String {
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

    fn finding(&self, finding: &Finding) -> String {
        let style = match finding.severity {
            Severity::Problem => Style::new().red(),
            Severity::Warning => Style::new().yellow(),
            Severity::Info => Style::new().cyan(),
        };
        let mark = style.bold().apply_to(words::severity(finding.severity));
        let mut lines = vec![
            format!("{mark} {}", Style::new().bold().apply_to(finding.name)),
            format!("  {}", self.wrapped(&words::sentence(&in_cell(&finding.evidence)), 2)),
        ];
        if !finding.examples.is_empty() {
            let examples: Vec<String> = finding.examples.iter().map(|example| clipped(example, 80)).collect();
            lines.push(format!("  {}", self.wrapped(&format!("Such as: {}.", examples.join("; ")), 2)));
        }
        lines.push(format!("  {}", self.wrapped(&format!("To do: {}.", in_cell(&finding.remedy)), 2)));
        lines.join("\n")
    }

    fn worst(&self, query: &WorstQuery) -> String {
        let text = clipped(&query.text, QUERY_WIDTH);
        let head = format!("{}: {text} ({:.3} before, {:.3} after)", in_cell(&query.id), query.before, query.after);
        let head = self.wrapped(&head, 2);
        let moved = query.moved.iter().map(|moved| self.moved(moved));
        std::iter::once(head).chain(moved).collect::<Vec<_>>().join("\n")
    }

    fn moved(&self, moved: &Moved) -> String {
        let grade = words::grade(moved);
        let text = in_cell(&moved.excerpt);
        let id = padded(&in_cell(&moved.id), ID_WIDTH, true);
        let line = format!("  {:>4} -> {:<4} {grade:<10}  {id}  {text}", moved.rank_before, moved.rank_after);
        truncate_str(&line, self.width, "…").into_owned()
    }

    fn recommendation(&self, view: &DiagnosisView<'_>, found: &Recommendation) -> String {
        let said = words::action(found.action);
        let mut lines =
            vec![self.heading("Recommendation"), self.wrapped(&format!("{said}: {}.", in_cell(&found.reason)), 0)];
        // A command is not wrapped, so that it can be copied.
        lines.extend(view.recommended.iter().map(|command| format!("\n  {command}")));
        if let Some(command) = &view.by_profile {
            lines.push(format!("\nor, with the profile that was written,\n\n  {command}"));
        }
        lines.join("\n")
    }
}
