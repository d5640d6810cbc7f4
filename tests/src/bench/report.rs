//! Medians, spreads, ratios: as a table and as JSON.

use serde::Serialize;

/// One measured thing on one database.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub case: &'static str,
    pub database: &'static str,
    pub what: String,
    pub unit: &'static str,
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub runs: Vec<f64>,
}

/// How two figures of one run stand to each other; the median of the pairs' ratios.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    pub case: &'static str,
    pub database: &'static str,
    pub what: String,
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub figures: Vec<Figure>,
    pub ratios: Vec<Ratio>,
}

/// The middle of some numbers.
pub fn median(of: &[f64]) -> f64 {
    quantile(of, 0.5)
}

/// The value below which the given part of the numbers lies.
pub fn quantile(of: &[f64], part: f64) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return f64::NAN;
    }
    let place = part * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - place.floor())
}

fn ends(of: &[f64]) -> (f64, f64) {
    (
        of.iter().copied().fold(f64::INFINITY, f64::min),
        of.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    )
}

impl Report {
    /// Adds the runs of one thing.
    pub fn figure(
        &mut self,
        case: &'static str,
        database: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        runs: &[f64],
    ) {
        let (least, most) = ends(runs);
        let figure = Figure {
            case,
            database,
            what: what.into(),
            unit,
            median: median(runs),
            least,
            most,
            runs: runs.to_vec(),
        };
        println!("{}", line(&figure));
        self.figures.push(figure);
    }

    /// Adds how two things stand to each other, run by run.
    pub fn ratio(
        &mut self,
        case: &'static str,
        database: &'static str,
        what: impl Into<String>,
        of: &[f64],
        to: &[f64],
    ) {
        let ratios: Vec<f64> = of.iter().zip(to).map(|(a, b)| a / b).collect();
        let (least, most) = ends(&ratios);
        let ratio =
            Ratio { case, database, what: what.into(), median: median(&ratios), least, most };
        println!(
            "{:<8} {:<9} {:<46} {:>9.1} %   [{:.1} … {:.1}]",
            case,
            database,
            ratio.what,
            ratio.median * 100.0,
            ratio.least * 100.0,
            ratio.most * 100.0
        );
        self.ratios.push(ratio);
    }
}

fn line(f: &Figure) -> String {
    let digits = if f.median.abs() < 100.0 { 2 } else { 0 };
    format!(
        "{:<8} {:<9} {:<46} {:>9.digits$} {:<3} [{:.digits$} … {:.digits$}]",
        f.case, f.database, f.what, f.median, f.unit, f.least, f.most
    )
}
