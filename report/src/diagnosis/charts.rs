//! The charts of the report.

use nearsort::diagnose::{Histogram, Quality, Report};
use plotters::prelude::*;

use crate::Result;
use crate::page::Chart;
use crate::page::svg::{self, *};
use crate::page::table::percent;

/// Draws all charts that have data.
pub fn all(report: &Report, max_tokens: usize) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    if let Some(quality) = &report.quality {
        charts.push(effect(report, quality));
        charts.push(gap(report, quality));
        charts.push(modes(report, quality));
        charts.push(depth(report, quality));
    }
    charts.push(scores(report));
    charts.push(tokens(report, max_tokens));
    svg::all(charts)
}

/// Draws each judged query's difference, the greatest first.
fn effect(report: &Report, quality: &Quality) -> Result<Chart, String> {
    let mut differences: Vec<f64> = quality.by_query.iter().map(|query| query.after - query.before).collect();
    differences.sort_by(|a, b| b.total_cmp(a));
    let ys = range(differences.iter().copied().chain([0.0]));
    let y_title = format!("difference in {}", report.measure);
    let svg = svg(HEIGHT, |area| {
        let xs = 0.0..differences.len() as f64;
        let mut chart = axes(area, [xs, ys], ["judged queries, by difference", &y_title], 0)?;
        let bar = |(at, &difference): (usize, &f64)| {
            let colour = if difference < 0.0 { LOSS } else { GAIN };
            Rectangle::new([(at as f64 + 0.05, 0.0), (at as f64 + 0.95, difference)], colour.filled())
        };
        told(chart.draw_series(differences.iter().enumerate().map(bar))).map(drop)
    })?;
    let found = &quality.effect.comparison;
    let note = format!("{} queries better, {} the same, {} worse.", found.wins, found.ties, found.losses);
    let legend = vec![("gain", "better after reranking".to_owned()), ("loss", "worse".to_owned())];
    Ok(Chart { title: "What reranking does to each query", note, legend, svg })
}

/// Draws the gap between the first stage and the best order, and how much of it is closed.
fn gap(report: &Report, quality: &Quality) -> Result<Chart, String> {
    let effect = &quality.effect;
    let mut bars = vec![
        ("first stage".to_owned(), effect.first_stage.mean, FIRST),
        (format!("diagnosed: {}", report.setting.configuration), effect.reranked.mean, SETTING),
    ];
    if let Some(choice) = &quality.choice {
        bars.push(("chosen by cross-validation".to_owned(), choice.mean.mean, CHOICE));
    }
    bars.push(("best order of these candidates".to_owned(), quality.ceiling.oracle, INK));
    let names = bars.iter().map(|(name, value, _)| format!("{name}: {value:.3}")).collect();
    let most = bars.iter().map(|(_, value, _)| *value).fold(0.0, f64::max);
    let rows = Rows { names, xs: 0.0..if most > 0.0 { most * (1.0 + MARGIN) } else { 1.0 } };
    let svg = svg(rows.height(), |area| {
        rows.draw(area, &report.measure, |chart, at, y| {
            let (_, value, colour) = bars[at];
            told(chart.draw_series([Rectangle::new([(0.0, y - 0.14), (value, y + 0.14)], colour.filled())])).map(drop)
        })
    })?;
    let note = "A reranker can gain at most the gap between the first stage and the best order.".to_owned();
    Ok(Chart { title: "Gap to the best order", note, legend: Vec::new(), svg })
}

/// Draws each mode's mean with its interval.
fn modes(report: &Report, quality: &Quality) -> Result<Chart, String> {
    let modes = &quality.modes;
    let first = quality.effect.first_stage.mean;
    let xs = range(modes.iter().flat_map(|mode| [mode.mean.low, mode.mean.high]).chain([first]));
    let rows = Rows { names: modes.iter().map(|mode| mode.name.clone()).collect(), xs };
    let colour = |at: usize| match (modes[at].configuration, modes[at].is_choice, modes[at].is_setting) {
        (None, ..) => FIRST,
        (_, true, _) => CHOICE,
        (_, _, true) => SETTING,
        _ => INK,
    };
    let means: Vec<_> = modes.iter().enumerate().map(|(at, mode)| (mode.mean, colour(at))).collect();
    let svg = rows.means(&report.measure, first, &means)?;
    let note = "Means with 95 % intervals; the thin line is the first stage. Two intervals may overlap although the difference is \
                significant: see the table."
        .to_owned();
    let legend = [
        ("first", "first stage", true),
        ("setting", "diagnosed", true),
        ("choice", "chosen", modes.iter().any(|mode| mode.is_choice)),
    ];
    let legend = legend.into_iter().filter(|(.., is)| *is).map(|(colour, name, _)| (colour, name.to_owned())).collect();
    Ok(Chart { title: "Scorings and blends", note, legend, svg })
}

fn depth(report: &Report, quality: &Quality) -> Result<Chart, String> {
    let colours = [(SETTING, "setting", "diagnosed"), (CHOICE, "choice", "recommended")];
    let sweeps = || quality.depth.iter().zip(colours);
    let points = || quality.depth.iter().flat_map(|sweep| &sweep.points);
    let xs = 0.0..points().map(|point| point.depth as f64).fold(1.0, f64::max);
    let ys = range(points().map(|point| point.mean));
    let svg = svg(HEIGHT, |area| {
        let mut chart = axes(area, [xs, ys], ["candidates that are reranked", &report.measure], 0)?;
        for (sweep, (colour, ..)) in sweeps() {
            let line = sweep.points.iter().map(|point| (point.depth as f64, point.mean));
            told(chart.draw_series(LineSeries::new(line, colour.filled().stroke_width(2)).point_size(4)))?;
        }
        Ok(())
    })?;
    let legend = sweeps().map(|(sweep, (_, colour, name))| (colour, format!("{name}: {}", sweep.configuration)));
    let note =
        "Depth 0 is the first stage's order. Candidates beyond the depth stay below, in first-stage order.".to_owned();
    Ok(Chart { title: "Depth", note, legend: legend.collect(), svg })
}

/// Returns the bars of a histogram, in percent of its total.
fn bars(histogram: &Histogram) -> Vec<([f64; 2], f64)> {
    let all: usize = histogram.counts.iter().sum();
    let width = (histogram.high - histogram.low) / histogram.counts.len().max(1) as f64;
    let bar = |(at, &count): (usize, &usize)| {
        let low = histogram.low + at as f64 * width;
        ([low, low + width], 100.0 * count as f64 / all.max(1) as f64)
    };
    histogram.counts.iter().enumerate().map(bar).collect()
}

fn draw_bars(chart: &mut Axes<'_, '_>, bars: &[([f64; 2], f64)], colour: RGBAColor) -> Drawn {
    let bar = |&([low, high], share): &([f64; 2], f64)| Rectangle::new([(low, 0.0), (high, share)], colour.filled());
    told(chart.draw_series(bars.iter().map(bar))).map(drop)
}

/// Draws the outline of bars.
fn draw_steps(chart: &mut Axes<'_, '_>, bars: &[([f64; 2], f64)], colour: RGBColor) -> Drawn {
    let steps: Vec<(f64, f64)> = bars.iter().flat_map(|&([low, high], share)| [(low, share), (high, share)]).collect();
    told(chart.draw_series([PathElement::new(steps, colour.stroke_width(3))])).map(drop)
}

fn highest(bars: &[([f64; 2], f64)]) -> f64 {
    bars.iter().map(|(_, share)| *share).fold(1.0, f64::max) * (1.0 + MARGIN)
}

fn scores(report: &Report) -> Result<Chart, String> {
    let spread = &report.spread;
    let (all, relevant) = (bars(&spread.histogram), bars(&spread.relevant));
    let xs = range([spread.histogram.low, spread.histogram.high].into_iter());
    let x_title = format!("score by {}", report.setting.configuration.scoring);
    let svg = svg(HEIGHT, |area| {
        let ys = 0.0..highest(&all).max(highest(&relevant));
        let mut chart = axes(area, [xs, ys], [&x_title, "% of its group"], 2)?;
        draw_bars(&mut chart, &all, FIRST.mix(0.55))?;
        if relevant.is_empty() { Ok(()) } else { draw_steps(&mut chart, &relevant, CHOICE) }
    })?;
    let mut legend = vec![("first", "all candidates".to_owned())];
    if !relevant.is_empty() {
        legend.push(("choice", "relevant candidates".to_owned()));
    }
    let note =
        "The model's scores before any blend. It is better if relevant candidates lie further to the right.".to_owned();
    Ok(Chart { title: "Scores", note, legend, svg })
}

fn tokens(report: &Report, max_tokens: usize) -> Result<Chart, String> {
    let lengths = &report.lengths;
    let bars = bars(&lengths.histogram);
    let limit = max_tokens as f64;
    let near = lengths.histogram.high >= 0.5 * limit;
    let xs = range([0.0, lengths.histogram.high].into_iter().chain(near.then_some(limit)));
    let svg = svg(HEIGHT, |area| {
        let top = highest(&bars);
        let mut chart = axes(area, [0.0..xs.end, 0.0..top], ["tokens", "% of the documents"], 0)?;
        draw_bars(&mut chart, &bars, SETTING.mix(0.7))?;
        if near {
            let line = PathElement::new([(limit, 0.0), (limit, top)], LOSS.stroke_width(2));
            told(chart.draw_series([line]))?;
        }
        Ok(())
    })?;
    let legend = if near { vec![("loss", format!("the model's limit, {max_tokens} tokens"))] } else { Vec::new() };
    let note = format!(
        "{} of the documents are longer than the model's {max_tokens} tokens and count as cut.",
        percent(lengths.truncated_share)
    );
    Ok(Chart { title: "Lengths of documents", note, legend, svg })
}
