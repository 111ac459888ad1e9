//! The charts of the report.

use nearsort::compare::{ComparisonReport, SystemKind, SystemReport};
use nearsort::eval::{Interval, percentile};
use plotters::prelude::*;

use crate::Result;
use crate::page::Chart;
use crate::page::svg::{self, *};

/// Maximum number of characters of a system's name.
const NAME_CHARS: usize = 44;

/// A system with its mean of the first measure.
type Point<'a> = (usize, &'a SystemReport, Interval);

/// A legend and its chart.
type Drawing = (Vec<(&'static str, String)>, String);

/// Draws all charts that have data.
pub fn all<'a>(report: &'a ComparisonReport) -> Result<Vec<Chart>> {
    let mean = |(at, system): (usize, &'a SystemReport)| Some((at, system, system.measured.first()?.mean()?));
    let points: Vec<Point<'_>> = report.systems.iter().enumerate().filter_map(mean).collect();
    let mut charts = Vec::new();
    if !points.is_empty() {
        charts.push(quality(report, &points));
        charts.extend(against_time(report, &points));
        charts.extend(against_money(report, &points));
    }
    svg::all(charts)
}

fn colour(kind: SystemKind) -> (RGBColor, &'static str) {
    match kind {
        SystemKind::FirstStage => (FIRST, "first"),
        SystemKind::Model => (SETTING, "setting"),
        SystemKind::Run => (INK, "ink"),
        SystemKind::Grades => (CHOICE, "choice"),
    }
}

/// Returns the name of the measure in a chart. It always says if a model made the judgements.
fn measure(report: &ComparisonReport) -> String {
    let by_model = report.judgements.as_ref().is_some_and(|judgements| judgements.by_model);
    format!("{}{}", report.options.measures[0], if by_model { " by a model's grades" } else { "" })
}

fn legend(points: &[Point<'_>]) -> Vec<(&'static str, String)> {
    let is_there = |kind: &SystemKind| points.iter().any(|(_, system, _)| system.system.kind == *kind);
    SystemKind::ALL.into_iter().filter(is_there).map(|kind| (colour(kind).1, kind.name().to_owned())).collect()
}

/// Draws each system's mean with its interval.
fn quality(report: &ComparisonReport, points: &[Point<'_>]) -> Result<Chart, String> {
    let first = points[0].2.mean;
    let name = |(at, system, interval): &Point<'_>| {
        let name: String = system.system.name.chars().take(NAME_CHARS).collect();
        format!("{} {name}: {:.3}", at + 1, interval.mean)
    };
    let xs = range(points.iter().flat_map(|(.., interval)| [interval.low, interval.high]));
    let rows = Rows { names: points.iter().map(name).collect(), xs };
    let means: Vec<_> = points.iter().map(|(_, system, mean)| (*mean, colour(system.system.kind).0)).collect();
    let svg = rows.means(&measure(report), first, &means)?;
    let note = "Means with 95 % intervals; the thin line is the first system. Two intervals may overlap although the difference is significant: \
                see the table."
        .to_owned();
    Ok(Chart { title: "Quality", note, legend: legend(points), svg })
}

/// Draws points with the systems' numbers. Returns `None` if fewer than two have a place on the
/// axis.
fn scatter(
    report: &ComparisonReport,
    points: &[Point<'_>],
    x_title: &str,
    place: impl Fn(&SystemReport) -> Option<f64>,
    label: &dyn Fn(f64) -> String,
) -> Option<Result<Drawing, String>> {
    let placed: Vec<(Point<'_>, f64)> = points.iter().filter_map(|&point| Some((point, place(point.1)?))).collect();
    if placed.len() < 2 {
        return None;
    }
    let xs = range(placed.iter().map(|(_, x)| *x));
    let ys = range(placed.iter().flat_map(|((.., interval), _)| [interval.low, interval.high]));
    let shown: Vec<Point<'_>> = placed.iter().map(|(point, _)| *point).collect();
    let drawn = svg(HEIGHT, |area| {
        let mut chart = axes_with(area, [xs, ys], [x_title, &measure(report)], label)?;
        for ((at, system, interval), x) in &placed {
            let colour = colour(system.system.kind).0;
            let ends = [(*x, interval.low), (*x, interval.high)];
            told(chart.draw_series([PathElement::new(ends, colour.mix(0.5).stroke_width(1))]))?;
            told(chart.draw_series([Circle::new((*x, interval.mean), 5, colour.filled())]))?;
            let number = EmptyElement::at((*x, interval.mean)) + Text::new((at + 1).to_string(), (8, -8), letters());
            told(chart.draw_series([number]))?;
        }
        Ok(())
    });
    Some(drawn.map(|svg| (legend(&shown), svg)))
}

/// Draws quality against the time of a query, if models were timed.
fn against_time(report: &ComparisonReport, points: &[Point<'_>]) -> Option<Result<Chart, String>> {
    let place = |system: &SystemReport| {
        let seconds = percentile(&system.system.cost.as_ref()?.seconds, 0.5)?;
        (seconds > 0.0).then(|| (1000.0 * seconds).log10())
    };
    let label = |x: f64| super::tables::milliseconds(10_f64.powf(x) / 1000.0);
    let drawn = scatter(report, points, "median time of a query in ms, logarithmic", place, &label)?;
    let note = "The numbers are those of the systems. Up and to the left is better.".to_owned();
    Some(drawn.map(|(legend, svg)| Chart { title: "Quality against time", note, legend, svg }))
}

/// Draws quality against money, if any is spent.
fn against_money(report: &ComparisonReport, points: &[Point<'_>]) -> Option<Result<Chart, String>> {
    let dollars = |system: &SystemReport| system.system.cost.as_ref()?.dollars_per_1000();
    if !points.iter().any(|(_, system, _)| dollars(system).is_some_and(|dollars| dollars > 0.0)) {
        return None;
    }
    let label = |x: f64| format!("{x:.2}");
    let drawn = scatter(report, points, "$ per 1,000 queries", dollars, &label)?;
    let note =
        "The numbers are those of the systems. Up and to the left is better; local models count as free.".to_owned();
    Some(drawn.map(|(legend, svg)| Chart { title: "Quality against money", note, legend, svg }))
}
