//! The tables of the report.

use nearsort::diagnose::{DepthSweep, Mode, Quality, Report, TRIED_CANDIDATES, TrialResult};
use nearsort::eval::Comparison;

use crate::page::table::{Row, Table, counts, difference, interval, list, percent, words};
use crate::text::p_value;

/// Returns all tables that have data, in reading order.
pub fn all(report: &Report) -> Vec<Table> {
    let mut tables = Vec::new();
    if let Some(quality) = &report.quality {
        tables.extend([effect(report, quality), modes(report, quality)]);
        tables.extend(choice(quality));
        tables.extend([ceiling(report, quality), depth(report, quality)]);
    }
    tables.extend(trials(report));
    tables.extend([scores(report), texts(report)]);
    tables
}

fn effect(report: &Report, quality: &Quality) -> Table {
    let effect = &quality.effect;
    let [mean, range] = difference(&effect.comparison);
    let setting = report.setting.configuration.to_string();
    let queries_needed = effect.queries_needed.map_or("-".to_owned(), |needed| needed.to_string());
    let rows = [
        vec!["first stage".to_owned(), format!("{:.4}", effect.first_stage.mean), interval(&effect.first_stage)],
        vec![setting, format!("{:.4}", effect.reranked.mean), interval(&effect.reranked)],
        vec!["difference".to_owned(), mean, range],
        vec!["p-value (randomisation test)".to_owned(), p_value(effect.comparison.p_value), String::new()],
        vec!["queries better / same / worse".to_owned(), counts(&effect.comparison), String::new()],
        vec!["queries needed to show it".to_owned(), queries_needed, String::new()],
    ];
    Table {
        title: "Effect",
        note: format!("{} over {} judged queries, with 95 % intervals.", report.measure, report.counts.judged_queries),
        header: Vec::new(),
        rows: rows.map(Row::plain).into(),
        names: 1,
    }
}

fn modes(report: &Report, quality: &Quality) -> Table {
    Table {
        title: "Scorings and blends",
        note: format!(
            "{}; p after Holm's correction; wins/ties/losses against the first stage; gap: the share of the way from the first stage to the best \
             order. *: the diagnosed setting; +: the chosen one, which looks better here than it is: see cross-validation.",
            report.measure
        ),
        header: words(["", "mean", "95 % interval", "difference", "p", "w/t/l", "gap"]),
        rows: quality.modes.iter().map(mode).collect(),
        names: 1,
    }
}

fn mode(mode: &Mode) -> Row {
    let marks: String = [(mode.is_setting, " *"), (mode.is_choice, " +")]
        .into_iter()
        .filter_map(|(is, mark)| is.then_some(mark))
        .collect();
    let name = format!("{}{marks}", mode.name);
    let mut cells = vec![name, format!("{:.4}", mode.mean.mean), interval(&mode.mean)];
    match &mode.comparison {
        Some(found) => {
            let gap = mode.gap_closed.map_or("-".to_owned(), percent);
            let [mean, _] = difference(found);
            cells.extend([mean, p_value(mode.adjusted_p), counts(found), gap]);
        }
        None => cells.extend(["-"; 4].map(str::to_owned)),
    }
    Row { cells, emphasis: !marks.is_empty() }
}

fn choice(quality: &Quality) -> Option<Table> {
    let choice = quality.choice.as_ref()?;
    let against = |name: &str, found: &Comparison| {
        let [mean, range] = difference(found);
        vec![name.to_owned(), mean, range, p_value(found.p_value), counts(found)]
    };
    let mean = vec!["mean".to_owned(), format!("{:.4}", choice.mean.mean), interval(&choice.mean)];
    let pick = |pick: &nearsort::diagnose::Pick| {
        vec![format!("chosen: {}", pick.configuration), format!("{} of {}", pick.choices, choice.choices)]
    };
    let rows = [
        mean,
        against("over the first stage", &choice.over_first_stage),
        against("over the diagnosed setting", &choice.over_setting),
        against("the same, on unseen documents too", &choice.unseen_documents),
    ];
    let rows = rows.into_iter().chain(choice.picks.iter().map(pick)).map(|mut cells| {
        cells.resize(5, String::new());
        Row::plain(cells)
    });
    Some(Table {
        title: "Cross-validation",
        note: format!(
            "In each of {} folds the simplest of {} configurations that is as good as the best was chosen by the other folds' queries, once by each half \
             of the documents, and measured on the fold's own.",
            choice.folds, choice.configurations
        ),
        header: words(["", "value", "95 % interval", "p", "w/t/l"]),
        rows: rows.collect(),
        names: 1,
    })
}

fn ceiling(report: &Report, quality: &Quality) -> Table {
    let ceiling = &quality.ceiling;
    let rows = [
        [format!("{} of the best order of these candidates", report.measure), format!("{:.4}", ceiling.oracle)],
        ["relevant documents among the candidates".to_owned(), percent(ceiling.recall)],
        [
            "queries without a relevant candidate".to_owned(),
            format!("{} ({})", ceiling.queries_without_relevant, percent(ceiling.share_without_relevant)),
        ],
    ];
    list("Ceiling", "The limit of every reranker: it only orders what the first stage found.", rows)
}

fn depth(report: &Report, quality: &Quality) -> Table {
    let two = quality.depth.len() > 1;
    let points = quality.depth.first().map_or(&[][..], |sweep| &sweep.points[..]);
    let cells = |at: usize| {
        let of = |sweep: &DepthSweep| {
            sweep.points.get(at).map_or(["-".to_owned(), "-".to_owned()], |point| {
                [format!("{:.4}", point.mean), format!("{:+.3} to {:+.3}", point.gain.low, point.gain.high)]
            })
        };
        let depth = points[at].depth.to_string();
        Row::plain(std::iter::once(depth).chain(quality.depth.iter().flat_map(of)))
    };
    let enough: Vec<String> = quality
        .depth
        .iter()
        .filter_map(|sweep| Some(format!("{} with {}", sweep.depth_for_90_percent?, sweep.configuration)))
        .collect();
    let enough = if enough.is_empty() {
        String::new()
    } else {
        format!(" 90 % of the gain of the whole list: {}.", enough.join(", "))
    };
    let mut header = words(["candidates", "diagnosed", "gain"]);
    if two {
        header.extend(words(["recommended", "gain"]));
    }
    Table {
        title: "Depth",
        note: format!(
            "{} by the number of reranked candidates; gains over the first stage with 95 % intervals.{enough}",
            report.measure
        ),
        header,
        rows: (0..points.len()).map(cells).collect(),
        names: 0,
    }
}

fn trials(report: &Report) -> Option<Table> {
    let row = |trial: &TrialResult| {
        let [mean, range] = difference(&trial.comparison);
        let name = format!("{} (by {})", trial.name, trial.scoring);
        Row::plain([name, mean, range, p_value(Some(trial.adjusted_p)), counts(&trial.comparison)])
    };
    let first = report.trials.first()?;
    Some(Table {
        title: "Prompts and poolings",
        note: format!(
            "Tried on {} judged queries and their first {} candidates, without any blend; difference of {} to the diagnosed setting, p after Holm's \
             correction.",
            first.queries, TRIED_CANDIDATES, report.measure
        ),
        header: words(["", "difference", "95 % interval", "p", "w/t/l"]),
        rows: report.trials.iter().map(row).collect(),
        names: 1,
    })
}

fn scores(report: &Report) -> Table {
    let spread = &report.spread;
    let mut rows = Vec::new();
    if let Some(agreement) = &report.agreement {
        rows.extend([
            ["Kendall's tau of both orders".to_owned(), format!("{:.3}", agreement.kendall_tau)],
            [
                "Kendall's tau of the model alone and the first stage".to_owned(),
                format!("{:.3}", agreement.model_kendall_tau),
            ],
            ["rank-biased overlap (p = 0.9)".to_owned(), format!("{:.3}", agreement.rbo)],
            ["of the first ten in both".to_owned(), percent(agreement.overlap_at_10)],
        ]);
    }
    rows.extend([
        [
            "range of the model's scores in the middle list".to_owned(),
            format!("{:.3} (standard deviation {:.3})", spread.median_range, spread.median_deviation),
        ],
        ["candidates with the score of another text".to_owned(), percent(spread.tied_share)],
        ["candidates with the first-stage score of another".to_owned(), percent(spread.first_stage_tied_share)],
    ]);
    list(
        "Agreement and scores",
        "The difference to the first stage's order, and the distribution of the model's scores.",
        rows,
    )
}

fn texts(report: &Report) -> Table {
    let (lengths, duplicates) = (&report.lengths, &report.duplicates);
    let [least, first, middle, third, most] = lengths.tokens;
    let mut rows = vec![
        ["tokens: least, quartiles, most".to_owned(), format!("{least}, {first}, {middle}, {third}, {most}")],
        ["documents longer than the model's limit".to_owned(), percent(lengths.truncated_share)],
        ["lists with such a document".to_owned(), percent(lengths.lists_with_truncated_share)],
    ];
    if let Some(windows) = &lengths.windows {
        let [mean, range] = difference(windows);
        let value = format!("{mean} ({range}), p {}", p_value(windows.p_value));
        rows.push([format!("windows less truncation, {}", report.measure), value]);
    }
    rows.push(["tokens that the vocabulary lacks".to_owned(), percent(lengths.unknown_share)]);
    if let Some(letters) = lengths.letters_per_token {
        rows.push(["letters per token".to_owned(), format!("{letters:.2}")]);
    }
    rows.extend([
        ["documents without text".to_owned(), lengths.empty.to_string()],
        ["candidates that occur twice in their list".to_owned(), duplicates.repeated_ids.to_string()],
        ["candidates with the text of an earlier one".to_owned(), percent(duplicates.same_text_share)],
        ["candidates with nearly the text of an earlier one".to_owned(), percent(duplicates.near_share)],
    ]);
    list("Texts", "Tokens are counted in the documents as the model read them.", rows)
}
