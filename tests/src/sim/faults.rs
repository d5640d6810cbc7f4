//! What goes wrong, and at which call. Each call into the store and each call to a vendor has a number;
//! the seed draws the numbers, and what happens there.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::dice::Dice;

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The store does not answer, and did nothing.
    ErrorBefore,
    /// The store did it, and its answer was lost.
    ErrorAfter,
    /// The store does not answer anybody for a while.
    Outage,
    /// The worker dies before the call.
    KillBefore,
    /// The worker dies after the call, before it hears of it.
    KillAfter,
    /// The worker stands still before the call, longer than its lease.
    FreezeBefore,
    /// The same after the call.
    FreezeAfter,
    /// The wall clock steps.
    ClockStep,
}

impl Kind {
    const AT_THE_STORE: [Self; 8] = [
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Outage,
        Self::KillBefore,
        Self::KillAfter,
        Self::FreezeBefore,
        Self::FreezeAfter,
        Self::ClockStep,
    ];
    const AT_A_VENDOR: [Self; 4] =
        [Self::KillBefore, Self::KillAfter, Self::FreezeBefore, Self::FreezeAfter];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ErrorBefore => "error before",
            Self::ErrorAfter => "answer lost",
            Self::Outage => "outage",
            Self::KillBefore => "killed before",
            Self::KillAfter => "killed after",
            Self::FreezeBefore => "frozen before",
            Self::FreezeAfter => "frozen after",
            Self::ClockStep => "clock step",
        }
    }
}

/// Which side a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Store,
    Vendor,
}

/// The faults of one seed.
#[derive(Debug, Default)]
pub struct Plan {
    at: BTreeMap<(Side, u64), Kind>,
}

impl Plan {
    /// Small numbers are as likely, taken together, as large ones: the beginnings are where a worker
    /// takes its lanes and sends its first orders.
    pub fn draw(dice: &mut Dice, only: Option<Kind>) -> Self {
        let mut at = BTreeMap::new();
        // now and then a storm
        let storm = if only.is_some() || dice.between(0, 3) == 0 { 6 } else { 1 };
        for _ in 0..dice.between(0, 10 * storm) {
            let magnitude = dice.between(0, 13);
            let number = dice.between(1 << magnitude, 2 << magnitude);
            let kind = pick(&Kind::AT_THE_STORE, dice);
            at.insert((Side::Store, number), only.unwrap_or(kind));
        }
        for _ in 0..dice.between(0, 6 * storm) {
            let magnitude = dice.between(0, 6);
            let number = dice.between(1 << magnitude, 2 << magnitude);
            at.insert((Side::Vendor, number), pick(&Kind::AT_A_VENDOR, dice));
        }
        Self { at }
    }

    pub fn take(&mut self, side: Side, number: u64) -> Option<Kind> {
        self.at.remove(&(side, number))
    }
}

/// One of these.
pub fn pick<T: Copy>(from: &[T], dice: &mut Dice) -> T {
    let last = from.len() as u64 - 1;
    from[usize::try_from(dice.between(0, last)).unwrap_or(0)]
}

/// A time between two.
pub fn between(dice: &mut Dice, low: Duration, high: Duration) -> Duration {
    let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(dice.between(millis(low), millis(high)))
}

/// What was counted, over one seed or many.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub seeds: u64,
    pub days: u64,
    pub store_calls: u64,
    pub vendor_calls: u64,
    /// How often, and the first and the last number it was met at.
    pub faults: BTreeMap<(Side, Kind), (u64, u64, u64)>,
    /// What vendors did beside answering.
    pub moods: BTreeMap<&'static str, u64>,
    pub requests: BTreeMap<String, u64>,
    pub tasks: BTreeMap<String, u64>,
    /// Of orders: all, repeated, and those whose owner was lost.
    pub orders: (u64, u64, u64),
    pub leaves: u64,
}

impl Tally {
    pub fn met(&mut self, side: Side, kind: Kind, number: u64) {
        let row = self.faults.entry((side, kind)).or_insert((0, number, number));
        *row = (row.0 + 1, row.1.min(number), row.2.max(number));
    }

    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.days += other.days;
        self.store_calls += other.store_calls;
        self.vendor_calls += other.vendor_calls;
        self.leaves += other.leaves;
        for (key, (times, first, last)) in &other.faults {
            let row = self.faults.entry(*key).or_insert((0, *first, *last));
            *row = (row.0 + times, row.1.min(*first), row.2.max(*last));
        }
        for (word, n) in &other.moods {
            *self.moods.entry(word).or_default() += n;
        }
        for (mine, theirs) in
            [(&mut self.requests, &other.requests), (&mut self.tasks, &other.tasks)]
        {
            for (word, n) in theirs {
                *mine.entry(word.clone()).or_default() += n;
            }
        }
        self.orders.0 += other.orders.0;
        self.orders.1 += other.orders.1;
        self.orders.2 += other.orders.2;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seeds          {:>12}", self.seeds)?;
        writeln!(f, "virtual days   {:>12}", self.days)?;
        writeln!(f, "store calls    {:>12}", self.store_calls)?;
        writeln!(f, "vendor calls   {:>12}", self.vendor_calls)?;
        writeln!(f, "leaves         {:>12}", self.leaves)?;
        let (orders, repeated, lost) = self.orders;
        writeln!(
            f,
            "orders         {orders:>12}, {repeated} sent again, {lost} with a lost owner"
        )?;
        writeln!(f, "\nfaults                          times   first number    last number")?;
        for ((side, kind), (times, first, last)) in &self.faults {
            let side = match side {
                Side::Store => "store",
                Side::Vendor => "vendor",
            };
            writeln!(f, "  {side:<8}{:<16}{times:>12}{first:>15}{last:>15}", kind.word())?;
        }
        writeln!(f, "\nvendors")?;
        for (word, n) in &self.moods {
            writeln!(f, "  {word:<24}{n:>12}")?;
        }
        writeln!(f, "\nrequests")?;
        for (word, n) in &self.requests {
            writeln!(f, "  {word:<24}{n:>12}")?;
        }
        writeln!(f, "\ntasks")?;
        for (word, n) in &self.tasks {
            writeln!(f, "  {word:<24}{n:>12}")?;
        }
        Ok(())
    }
}
