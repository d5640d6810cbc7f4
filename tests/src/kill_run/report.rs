//! The figures of a run, to be quoted.

use std::time::Duration;

use super::Size;
use crate::oracle::Tally;

/// What the kills did.
#[derive(Debug, Default)]
pub struct Kills {
    /// Orders out at each counted kill.
    out: Vec<i64>,
    skipped: usize,
    takeovers: Vec<Duration>,
}

impl Kills {
    /// One kill, with so many orders out at that moment.
    pub fn hit(&mut self, out: i64) {
        if out > 0 {
            self.out.push(out);
        } else {
            self.skipped += 1;
        }
    }

    pub fn taken_over(&mut self, after: Duration) {
        self.takeovers.push(after);
    }

    #[must_use]
    pub fn counted(&self) -> usize {
        self.out.len()
    }

    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

/// Prints the table.
pub fn print(url: &str, size: Size, kills: &Kills, tally: &Tally) {
    let database = url.split(':').next().unwrap_or_default();
    let row = |what: &str, value: String| println!("{what:<44} {value}");
    println!("— kill run on {database}: {} requests", size.people);
    row("kills counted (an order was out)", kills.counted().to_string());
    row("kills not counted", kills.skipped().to_string());
    row("orders out at each kill", format!("{:?}", kills.out));
    let mut takeovers = kills.takeovers.clone();
    takeovers.sort();
    if let (Some(middle), Some(longest)) = (takeovers.get(takeovers.len() / 2), takeovers.last()) {
        row(
            "takeover, kill to all lanes held, ms",
            format!("median {}, longest {}", middle.as_millis(), longest.as_millis()),
        );
    }
    let each: Vec<u128> = kills.takeovers.iter().map(Duration::as_millis).collect();
    row("takeover of each kill, ms", format!("{each:?}"));
    row("calls the vendors carried out", tally.calls.to_string());
    row("  of them for orders that change", tally.changing_calls.to_string());
    row("orders", tally.orders.to_string());
    row("orders whose answer was lost", tally.unknown_orders.to_string());
    for (class, (orders, calls)) in &tally.repeats {
        row(
            &format!("  {class}: orders sent again / calls seen again"),
            format!("{orders} / {calls}"),
        );
    }
    row("requests open, each with its cause", tally.open_requests.to_string());
    row(
        "not_found after a lost order had been carried out",
        tally.gone_when_asked_again.to_string(),
    );
    for ((outcome, level), count) in &tally.outcomes {
        row(&format!("  tasks {outcome} ({level})"), count.to_string());
    }
    for (reason, count) in &tally.on_the_desk {
        row(&format!("  tasks on the desk: {reason}"), count.to_string());
    }
}
