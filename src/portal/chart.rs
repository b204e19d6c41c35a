//! Bars by day as SVG numbers: the server draws, so the chart is there without scripts.

use chrono::NaiveDate;
use entity::money::Nanos;

use super::show;
use crate::metering::report::Totals;

/// Units of the drawing.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 110;

/// A bar chart, ready to be written as attributes.
pub struct Chart {
    pub width: i64,
    pub bars: Vec<Bar>,
    pub first: String,
    pub last: String,
    pub summary: String,
    /// No day has any call.
    pub is_empty: bool,
}

/// One day.
pub struct Bar {
    pub x: String,
    pub y: i64,
    pub width: String,
    pub height: i64,
    pub title: String,
}

/// Bars for these days by the calls made; the money stands in the titles.
pub fn of(days: &[(NaiveDate, Totals)], currency: &str) -> Chart {
    let most = days.iter().map(|(_, totals)| totals.events).max().unwrap_or(0);
    let calls: i64 = days.iter().map(|(_, totals)| totals.events).sum();
    // A sum of rows that each fit: saturating only matters to amounts that no account can hold.
    let amount = days.iter().fold(Nanos(0), |sum, (_, totals)| Nanos(sum.0.saturating_add(totals.amount.0)));
    let step = WIDTH as f64 / days.len().max(1) as f64;
    let bars = days.iter().enumerate().map(|(index, (day, totals))| {
        // At least two units: a day with one call among thousands is still to be seen.
        let height = if totals.events == 0 { 0 } else { (totals.events * HEIGHT / most.max(1)).max(2) };
        Bar {
            x: format!("{:.2}", index as f64 * step),
            y: HEIGHT - height,
            width: format!("{:.2}", (step * 0.78).min(28.0)),
            height,
            title: format!("{}: {}, {}", show::day(*day), show::calls(totals.events), show::nanos(totals.amount, currency)),
        }
    });
    Chart {
        width: WIDTH,
        bars: bars.collect(),
        first: days.first().map(|(day, _)| show::day(*day)).unwrap_or_default(),
        last: days.last().map(|(day, _)| show::day(*day)).unwrap_or_default(),
        summary: format!("{} for {}, by day", show::calls(calls), show::nanos(amount, currency)),
        is_empty: calls == 0,
    }
}
