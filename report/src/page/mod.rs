//! Layout of reports, on a terminal and as a page.

pub mod grid;
pub mod html;
pub mod markdown;
pub mod svg;
pub mod table;
pub mod terminal;

pub use svg::Chart;
