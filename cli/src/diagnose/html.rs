//! The report as one page that needs nothing else: styles and charts are in it, and it asks for nothing.
//!
//! Everything that comes from files or from the command line goes through [`escaped`].

use nearsort::diagnose::{Finding, Moved, Recommendation, VerdictKind, WorstQuery};

use super::charts::{self, Chart};
use super::tables::{self, Table};
use super::{View, words};
use crate::Failure;

/// Characters of a query's text that are shown.
const QUERY_CHARS: usize = 1000;

pub fn page(view: &View) -> Result<String, Failure> {
    let charts: String = charts::all(&view.report, view.max_tokens)?.iter().map(chart).collect();
    let report = &view.report;
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
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>nearsort diagnosis: {}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
        escaped(&report.setting.configuration.to_string()),
        include_str!("style.css"),
        sections.concat(),
    ))
}

/// A text as a page shows it: markup and control characters lose their meaning.
fn escaped(text: &str) -> String {
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

fn clipped(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
        None => escaped(text),
    }
}

/// A part of the page, if it has content.
fn section(title: &str, content: &str) -> String {
    if content.is_empty() { String::new() } else { format!("<section>\n<h2>{title}</h2>\n{content}</section>\n") }
}

fn bullets(texts: &[String]) -> String {
    if texts.is_empty() {
        return String::new();
    }
    let items: String = texts.iter().map(|text| format!("<li>{}</li>\n", escaped(text))).collect();
    format!("<ul>\n{items}</ul>\n")
}

fn verdict(view: &View) -> String {
    let report = &view.report;
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
        bullets(&view.notes),
    )
}

fn recommendation(view: &View, found: &Recommendation) -> String {
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

fn chart(chart: &Chart) -> String {
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

fn worst(view: &View) -> String {
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

fn table(table: &Table) -> String {
    let header: String = table.header.iter().map(|name| format!("<th>{name}</th>")).collect();
    let header = if header.is_empty() { header } else { format!("<thead><tr>{header}</tr></thead>\n") };
    let row = |row: &tables::Row| {
        let cell = |(at, cell): (usize, &String)| {
            let class = if at < table.names { "name" } else { "number" };
            format!("<td class=\"{class}\">{}</td>", escaped(cell))
        };
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

fn made(view: &View) -> String {
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
