//! The report as one self-contained page: styles and charts are in it, and it loads nothing.
//!
//! All text from files or from the command line goes through [`escaped`].

use nearsort::diagnose::{Finding, Moved, Recommendation, VerdictKind, WorstQuery};

use super::view::DiagnosisView;
use super::{charts, tables, words};
use crate::Result;
use crate::page::html::{self, bullets, chart, clipped, escaped, section, table};

/// Maximum characters of a query's text.
const QUERY_CHARS: usize = 1000;

pub fn page(view: &DiagnosisView<'_>) -> Result<String> {
    let charts: String = charts::all(view.report, view.max_tokens)?.iter().map(chart).collect();
    let report = view.report;
    let sections = [
        verdict(view),
        section(
            "Recommendation",
            &report.recommendation.as_ref().map_or(String::new(), |found| recommendation(view, found)),
        ),
        section("Findings", &findings(&report.findings)),
        section("Charts", &format!("<div class=\"charts\">{charts}</div>")),
        section("Worst queries", &worst(view)),
        section("Numbers", &tables::all(report).iter().map(table).collect::<String>()),
        section("What cannot be said", &bullets(&report.cannot_say)),
        section("How this was made", &made(view)),
    ];
    Ok(html::document(&format!("nearsort diagnosis: {}", report.setting.configuration), &sections.concat()))
}

fn verdict(view: &DiagnosisView<'_>) -> String {
    let report = view.report;
    let class = match report.verdict.kind {
        VerdictKind::Helps => "helps",
        VerdictKind::Hurts => "hurts",
        _ => "open",
    };
    let (counts, setting) = (&report.counts, &report.setting);
    format!(
        "<h1>Does reranking help?</h1>\n<p class=\"verdict {class}\">{}</p>\n<p class=\"soft\">Diagnosed: {} with {}. {} queries, {} of them \
         judged; {} candidates, {} documents.</p>\n{}",
        escaped(&report.verdict.text),
        escaped(&setting.configuration.to_string()),
        escaped(&view.model.name),
        counts.queries,
        counts.judged_queries,
        counts.candidates,
        counts.documents,
        bullets(view.notes),
    )
}

fn recommendation(view: &DiagnosisView<'_>, found: &Recommendation) -> String {
    let said = words::action(found.action);
    let command = |command: &String| format!("<pre><code>{}</code></pre>\n", escaped(command));
    let typed = view.recommended.as_ref().map(command).unwrap_or_default();
    let by_profile = view.by_profile.as_ref().map(command);
    let by_profile = by_profile.map(|command| format!("<p>Or, with the profile that was written:</p>\n{command}"));
    format!("<p><b>{said}:</b> {}.</p>\n{typed}{}", escaped(&found.reason), by_profile.unwrap_or_default())
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "<p>Nothing was found wrong.</p>\n".to_owned();
    }
    findings.iter().map(finding).collect()
}

fn finding(finding: &Finding) -> String {
    let severity = words::severity(finding.severity);
    let examples: Vec<String> =
        finding.examples.iter().map(|example| format!("<code>{}</code>", clipped(example, 120))).collect();
    let examples = match examples.is_empty() {
        true => String::new(),
        false => format!("<p class=\"soft\">Such as: {}</p>\n", examples.join(", ")),
    };
    format!(
        "<div class=\"finding {severity}\">\n<h3><span class=\"severity\">{severity}</span> {}</h3>\n<p>{}</p>\n{examples}<p><b>To do:</b> \
         {}.</p>\n</div>\n",
        finding.name,
        escaped(&words::sentence(&finding.evidence)),
        escaped(&finding.remedy),
    )
}

fn worst(view: &DiagnosisView<'_>) -> String {
    let quality = view.report.quality.as_ref();
    quality.into_iter().flat_map(|quality| &quality.worst).map(worst_query).collect()
}

fn worst_query(query: &WorstQuery) -> String {
    let moved: String = query.moved.iter().map(moved).collect();
    format!(
        "<div class=\"query\">\n<h3>{}</h3>\n<p>{}</p>\n<p class=\"soft\">{:.3} before, {:.3} after</p>\n<ul class=\"moved\">\n{moved}</ul>\n</div>\n",
        clipped(&query.id, 120),
        clipped(&query.text, QUERY_CHARS),
        query.before,
        query.after,
    )
}

fn moved(moved: &Moved) -> String {
    format!(
        "<li><b>{} → {}</b> <span class=\"soft\">{}, {}</span> {}</li>\n",
        moved.rank_before,
        moved.rank_after,
        words::grade(moved),
        clipped(&moved.id, 60),
        clipped(&moved.excerpt, 240),
    )
}

fn made(view: &DiagnosisView<'_>) -> String {
    let (model, setting) = (&view.model, &view.report.setting);
    let prompt =
        |prompt: &str| if prompt.is_empty() { "none".to_owned() } else { format!("“{}”", clipped(prompt, 200)) };
    let revision = model.revision.as_ref().map_or(String::new(), |revision| format!(" at {}", escaped(revision)));
    format!(
        "<pre><code>{}</code></pre>\n<p>nearsort {}; {}{revision}, {} engine, {}, {}, on {}; at most {} tokens, {} pooling, query prompt {}, document \
         prompt {}. Intervals from {} bootstrap resamples, tests by randomisation, seed {}.</p>\n",
        escaped(&view.command),
        env!("CARGO_PKG_VERSION"),
        escaped(&model.name),
        model.engine,
        model.precision,
        model.isa,
        model.device,
        view.max_tokens,
        escaped(&setting.pooling),
        prompt(&setting.query_prompt),
        prompt(&setting.document_prompt),
        view.resamples,
        view.seed,
    )
}
