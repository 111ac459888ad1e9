//! The report for a terminal: the advice, the settings, the gain, and each part alone.

use console::Style;
use nearsort::diagnose::{Action, Choice, Configuration, Curve, Tuning};
use nearsort::eval::Comparison;

use super::view::TuningView;
use crate::page::table::{Row, Table, counts, difference, interval, words};
use crate::page::terminal::{MIN_WIDTH, Page};
use crate::text::{in_cell, p_value};

/// Maximum width; longer lines are hard to read.
const MAX_WIDTH: usize = 120;

pub fn report(view: &TuningView<'_>, width: usize) -> String {
    let page = Page { width: width.clamp(MIN_WIDTH, MAX_WIDTH) };
    let tuning = view.tuning;
    let mut parts = vec![advice(view, &page)];
    let notes: Vec<String> = view.notes.iter().chain(&tuning.notes).map(|note| page.bullet(&in_cell(note))).collect();
    if !notes.is_empty() {
        parts.push(notes.join("\n"));
    }
    parts.push(page.table(&settings(tuning)));
    parts.extend(tuning.choice.iter().map(|choice| page.table(&gains(tuning, choice))));
    parts.push(page.table(&curves(tuning)));
    // A command is not wrapped, so that it can be copied.
    parts.extend(view.commands.iter().map(|command| format!("  {command}")));
    parts.join("\n\n") + "\n"
}

fn advice(view: &TuningView<'_>, page: &Page) -> String {
    let (tuning, model) = (&view.tuning, &view.model);
    let style = match tuning.action {
        Action::Change => Style::new().green().bold(),
        Action::Keep => Style::new().bold(),
        Action::DoNotRerank => Style::new().red().bold(),
    };
    let lines = page.wrapped(&in_cell(&tuning.advice), 0);
    let lines: Vec<String> = lines.lines().map(|line| style.apply_to(line).to_string()).collect();
    let below = format!(
        "{} ({} {} on {}), {} judged {}; {}.",
        in_cell(&model.name),
        model.engine,
        model.precision,
        model.device,
        tuning.judged_queries,
        if tuning.judged_queries == 1 { "query" } else { "queries" },
        in_cell(&view.judgements.label())
    );
    format!("{}\n\n{}", lines.join("\n"), page.wrapped(&below, 0))
}

/// The name of what others are compared with.
fn present(tuning: &Tuning) -> &'static str {
    if tuning.setting.configuration == Configuration::default() { "default" } else { "setting" }
}

fn settings(tuning: &Tuning) -> Table {
    let row = |name: String, mean: &nearsort::eval::Interval, emphasis: bool| Row {
        cells: vec![name, format!("{:.4}", mean.mean), interval(mean)],
        emphasis,
    };
    let is_other = tuning.action == Action::Change;
    let mut rows = vec![
        row("first stage".into(), &tuning.first_stage, tuning.action == Action::DoNotRerank),
        row(
            format!("{}: {}", present(tuning), tuning.setting.configuration),
            &tuning.current,
            tuning.action == Action::Keep,
        ),
    ];
    rows.extend(tuning.choice.as_ref().map(|choice| row(format!("chosen: {}", choice.chosen), &choice.mean, is_other)));
    Table {
        title: "Settings",
        note: format!(
            "{} with 95 % intervals. The value of the chosen one is of choices without the query.",
            tuning.measure
        ),
        header: words(["", "mean", "95 % interval"]),
        rows,
        names: 1,
    }
}

fn gains(tuning: &Tuning, choice: &Choice) -> Table {
    let row = |name: String, found: &Comparison| {
        let [mean, range] = difference(found);
        Row::plain([name, mean, range, p_value(found.p_value), counts(found)])
    };
    let present = present(tuning);
    let mut rows = vec![
        row(format!("over the {present}, on other queries"), &choice.over_setting),
        row(format!("over the {present}, on other queries and documents"), &choice.unseen_documents),
        row("over the first stage, on other queries".into(), &choice.over_first_stage),
    ];
    rows.extend(choice.picks.iter().take(3).map(|pick| {
        let times = format!("{} of {}", pick.choices, choice.choices);
        Row::plain([format!("picked: {}", pick.configuration), times, String::new(), String::new(), String::new()])
    }));
    Table {
        title: "What choosing gains",
        note: format!(
            "In each of {} folds of the queries one of {} configurations was chosen by the other folds, once by each half of the documents, and measured \
             on the fold's queries. On other documents: the order of the half without a part in the choice.",
            choice.folds, choice.configurations
        ),
        header: words(["", "difference", "95 % interval", "p", "w/t/l"]),
        rows,
        names: 1,
    }
}

fn curves(tuning: &Tuning) -> Table {
    let rows = |curve: &Curve| {
        let name = curve.part.name();
        let point = |(at, point): (usize, &nearsort::diagnose::CurvePoint)| {
            let mark = if point.is_setting { " *" } else { "" };
            let name = if at == 0 { name } else { "" };
            let cells = vec![name.to_owned(), format!("{}{mark}", point.value), format!("{:.4}", point.mean)];
            Row { cells, emphasis: point.is_setting }
        };
        curve.points.iter().enumerate().map(point).collect::<Vec<_>>()
    };
    Table {
        title: "Each part alone",
        note: format!(
            "{} with one part changed and all else as in the {} (*), of all judged queries: the highest looks better here than it is.",
            tuning.measure,
            present(tuning)
        ),
        header: words(["part", "value", "mean"]),
        rows: tuning.curves.iter().flat_map(rows).collect(),
        names: 2,
    }
}
