//! Charts, each an SVG element that takes its colours from the page.
//!
//! plotters writes colours into the elements. The colours used here stand for names: [`themed`]
//! replaces them by the page's variables, so that a chart follows the page's light or dark scheme.
//! Titles and legends are real text of the page.

use std::ops::Range;

use nearsort::eval::Interval;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::ReportError;

pub const WIDTH: u32 = 500;
pub const HEIGHT: u32 = 290;
/// Size of the letters; a phone shows a chart at two thirds of its size.
pub const LETTERS: u32 = 15;
/// Height of a named row: its name, and the drawing below.
pub const ROW_HEIGHT: u32 = 40;
/// Share of an axis that stays free beyond the values.
pub const MARGIN: f64 = 0.05;

pub const INK: RGBColor = RGBColor(1, 1, 1);
pub const FAINT: RGBColor = RGBColor(1, 1, 2);
pub const FIRST: RGBColor = RGBColor(1, 1, 3);
pub const SETTING: RGBColor = RGBColor(1, 1, 4);
pub const CHOICE: RGBColor = RGBColor(1, 1, 5);
pub const GAIN: RGBColor = RGBColor(1, 1, 6);
pub const LOSS: RGBColor = RGBColor(1, 1, 7);
const VARIABLES: [(RGBColor, &str); 7] = [
    (INK, "ink"),
    (FAINT, "faint"),
    (FIRST, "first"),
    (SETTING, "setting"),
    (CHOICE, "choice"),
    (GAIN, "gain"),
    (LOSS, "loss"),
];

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Axes<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
pub type Drawn = Result<(), String>;

/// A chart for the page.
pub struct Chart {
    pub title: &'static str,
    pub note: String,
    /// Names of colours with their meaning.
    pub legend: Vec<(&'static str, String)>,
    pub svg: String,
}

pub fn told<T>(result: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// Draws an SVG file of this size, and returns its text.
pub fn drawn(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area)?;
        told(area.present())?;
    }
    Ok(text)
}

/// Draws an SVG element without a size of its own, in the page's colours.
pub fn svg(height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, String> {
    drawn((WIDTH, height), draw).map(|text| themed(&text, height))
}

/// Returns all charts, or the error of the first that cannot be drawn.
pub fn all<T>(charts: impl IntoIterator<Item = Result<T, String>>) -> crate::Result<Vec<T>> {
    let drawn: Result<Vec<T>, String> = charts.into_iter().collect();
    drawn.map_err(ReportError::Chart)
}

fn themed(svg: &str, height: u32) -> String {
    let start = svg.find("<svg").map_or(svg, |at| &svg[at..]);
    let body = start.find('>').map_or(start, |at| &start[at + 1..]);
    let mut text = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">{}", body.trim_end());
    for (RGBColor(red, green, blue), name) in VARIABLES {
        text = text.replace(&format!("\"#{red:02X}{green:02X}{blue:02X}\""), &format!("\"var(--{name})\""));
    }
    text
}

pub fn letters() -> TextStyle<'static> {
    ("sans-serif", LETTERS).into_font().color(&INK)
}

/// Draws axes with their numbers and titles.
pub fn axes<'a, 'b>(
    area: &'a Area<'b>,
    ranges: [Range<f64>; 2],
    titles: [&str; 2],
    x_decimals: usize,
) -> Result<Axes<'a, 'b>, String> {
    axes_with(area, ranges, titles, &|x| format!("{x:.x_decimals$}"))
}

/// As [`axes`], with `x_label` for the numbers on the x axis.
pub fn axes_with<'a, 'b>(
    area: &'a Area<'b>,
    [x, y]: [Range<f64>; 2],
    [x_title, y_title]: [&str; 2],
    x_label: &dyn Fn(f64) -> String,
) -> Result<Axes<'a, 'b>, String> {
    let builder = &mut ChartBuilder::on(area);
    builder.margin(8).margin_right(20).x_label_area_size(50).y_label_area_size(68);
    let mut chart = told(builder.build_cartesian_2d(x, y))?;
    let x_label = |x: &f64| x_label(*x);
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(FAINT).axis_style(FAINT).disable_x_mesh();
    mesh.label_style(letters()).axis_desc_style(letters()).x_labels(6).y_labels(6).x_label_formatter(&x_label);
    told(mesh.x_desc(x_title).y_desc(y_title).draw())?;
    Ok(chart)
}

/// Returns a range a little wider than the numbers; never empty.
pub fn range(numbers: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) =
        numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)));
    match high > low {
        true => low - (high - low) * MARGIN..high + (high - low) * MARGIN,
        false if low.is_finite() => low - 0.5..low + 0.5,
        false => 0.0..1.0,
    }
}

/// Named rows with a drawing below each name.
pub struct Rows {
    pub names: Vec<String>,
    pub xs: Range<f64>,
}

impl Rows {
    pub fn draw(&self, area: &Area<'_>, x_title: &str, row: impl Fn(&mut Axes<'_, '_>, usize, f64) -> Drawn) -> Drawn {
        let rows = self.names.len() as f64;
        let builder = &mut ChartBuilder::on(area);
        builder.margin(8).margin_left(30).margin_right(22).x_label_area_size(50);
        let mut chart = told(builder.build_cartesian_2d(self.xs.clone(), 0.0..rows))?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(FAINT).axis_style(FAINT).disable_y_mesh().disable_y_axis();
        mesh.label_style(letters()).axis_desc_style(letters()).x_labels(6);
        told(mesh.x_label_formatter(&|x| format!("{x:.2}")).x_desc(x_title).draw())?;
        for (at, name) in self.names.iter().enumerate() {
            let top = rows - at as f64;
            row(&mut chart, at, top - 0.72)?;
            let text = Text::new(name.clone(), (self.xs.start, top - 0.08), letters());
            told(chart.draw_series([text]))?;
        }
        Ok(())
    }

    /// Draws means with their intervals, each in its colour, and a thin line at `reference` beside
    /// each.
    pub fn means(&self, x_title: &str, reference: f64, means: &[(Interval, RGBColor)]) -> Result<String, String> {
        let line = |from: (f64, f64), to: (f64, f64), style: ShapeStyle| PathElement::new([from, to], style);
        svg(self.height(), |area| {
            self.draw(area, x_title, |chart, at, y| {
                let (interval, colour) = means[at];
                let thin = line((reference, y - 0.28), (reference, y + 0.28), FIRST.mix(0.6).stroke_width(1));
                let whole = line((interval.low, y), (interval.high, y), colour.stroke_width(3));
                told(chart.draw_series([thin, whole]))?;
                told(chart.draw_series([Circle::new((interval.mean, y), 6, colour.filled())])).map(drop)
            })
        })
    }

    pub fn height(&self) -> u32 {
        self.names.len() as u32 * ROW_HEIGHT + 66
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_the_pages_and_nothing_points_elsewhere() {
        let drawn = svg(100, |area| {
            let mut chart = axes(area, [0.0..1.0, 0.0..1.0], ["x", "y"], 1)?;
            told(chart.draw_series([Circle::new((0.5, 0.5), 3, GAIN.filled())])).map(drop)
        })
        .unwrap();
        assert!(drawn.starts_with("<svg viewBox=\"0 0 500 100\" role=\"img\">"), "{drawn}");
        assert!(drawn.ends_with("</svg>") && drawn.contains("fill=\"var(--gain)\""), "{drawn}");
        assert!(!drawn.contains("\"#0101") && !drawn.contains("http"), "{drawn}");
    }

    #[test]
    fn a_range_is_never_empty() {
        assert_eq!(range([2.0, 2.0].into_iter()), 1.5..2.5);
        assert_eq!(range(std::iter::empty()), 0.0..1.0);
        let wide = range([0.0, 1.0].into_iter());
        assert!(wide.start < 0.0 && wide.end > 1.0);
    }
}
