//! A chart of the first measure: each query's difference to the first run, and the mean by cutoff.

use std::ops::Range;

use nearsort::eval::{EvalReport, RunReport};
use plotters::prelude::*;

use crate::page::svg::{Area, Drawn, MARGIN, drawn, told};
use crate::{ReportError, Result};

const SIZE: (u32, u32) = (1200, 480);
/// Colours of Okabe and Ito, distinct for colour-blind readers and in grey.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];
/// Maximum width of a name; longer ones would cover the curves.
const MAX_NAME_WIDTH: usize = 36;
/// A line with a name.
struct Line {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// The content of one panel.
struct Panel {
    title: String,
    x_title: &'static str,
    y_title: String,
    /// The position of the legend, where lines are rare.
    legend: SeriesLabelPosition,
    lines: Vec<Line>,
}

/// Draws the whole chart, and returns the text of an SVG file.
pub fn svg(report: &EvalReport) -> Result<String> {
    let text = drawn(SIZE, |root| {
        told(root.fill(&WHITE))?;
        let (left, right) = root.split_horizontally(SIZE.0 / 2);
        draw(&left, &queries_panel(report))?;
        draw(&right, &depth_panel(report))
    });
    text.map_err(ReportError::Chart)
}

/// Makes the panel of queries. With several runs it has their differences to the first one, each in
/// its own order; with one run it has the values.
fn queries_panel(report: &EvalReport) -> Panel {
    let measure = report.options.measures[0];
    let (first, others) = (&report.runs[0], &report.runs[1..]);
    let values = |run: &RunReport| run.measured[0].values.clone();
    let differences = |run: &RunReport| values(run).iter().zip(values(first)).map(|(run, first)| run - first).collect();
    let numbered = report.runs.iter().enumerate();
    let (title, y_title, lines) = match others {
        [] => ("Every query".into(), measure.to_string(), vec![sorted_line(first, 0, values(first))]),
        _ => (
            format!("Every query beside {}", name(first)),
            format!("difference of {measure}"),
            numbered.skip(1).map(|(at, run)| sorted_line(run, at, differences(run))).collect(),
        ),
    };
    let (x_title, legend) = ("queries, in descending order", SeriesLabelPosition::UpperRight);
    Panel { title, x_title, y_title, legend, lines }
}

fn sorted_line(run: &RunReport, at: usize, mut values: Vec<f64>) -> Line {
    values.sort_by(|a, b| b.total_cmp(a));
    let points = values.into_iter().enumerate().map(|(query, value)| ((query + 1) as f64, value)).collect();
    Line { name: name(run), colour: COLOURS[at % COLOURS.len()], points }
}

fn depth_panel(report: &EvalReport) -> Panel {
    let measure = report.options.measures[0].at(1).unwrap_or(report.options.measures[0]).to_string();
    let measure = measure.trim_end_matches("@1");
    let lines = report.runs.iter().enumerate().map(|(at, run)| Line {
        name: name(run),
        colour: COLOURS[at % COLOURS.len()],
        points: run.curve.iter().map(|&(cutoff, mean)| (cutoff as f64, mean)).collect(),
    });
    let (title, y_title) = (format!("{measure} by depth"), format!("mean {measure}@k"));
    let legend = SeriesLabelPosition::LowerRight;
    Panel { title, x_title: "cutoff k", y_title, legend, lines: lines.collect() }
}

fn draw(area: &Area<'_>, panel: &Panel) -> Drawn {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let (xs, ys) = (range(points().map(|&(x, _)| x), 1.0), range(points().map(|&(_, y)| y), 0.0));
    let builder = &mut ChartBuilder::on(area);
    builder.caption(&panel.title, ("sans-serif", 18)).margin(12).x_label_area_size(42).y_label_area_size(64);
    let mut chart = told(builder.build_cartesian_2d(xs.clone(), ys))?;
    let mut mesh = chart.configure_mesh();
    told(mesh.x_desc(panel.x_title).y_desc(&panel.y_title).light_line_style(TRANSPARENT).draw())?;
    told(chart.draw_series(LineSeries::new([(xs.start, 0.0), (xs.end, 0.0)], BLACK.mix(0.5))))?;
    for line in &panel.lines {
        let colour = line.colour;
        let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(2);
        let drawn = told(chart.draw_series(series))?.label(&line.name);
        drawn.legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let mut legend = chart.configure_series_labels();
    let legend = legend.background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3));
    told(legend.position(panel.legend.clone()).draw())
}

/// Returns a range around the numbers and `origin`, a little wider; never empty.
fn range(numbers: impl Iterator<Item = f64>, origin: f64) -> Range<f64> {
    let (low, high) = numbers.fold((origin, origin), |(low, high), number| (low.min(number), high.max(number)));
    let margin = if high > low { (high - low) * MARGIN } else { 1.0 };
    let below = if low < origin { margin } else { 0.0 };
    low - below..high + margin
}

fn name(run: &RunReport) -> String {
    console::truncate_str(&run.name, MAX_NAME_WIDTH, "…").into_owned()
}
