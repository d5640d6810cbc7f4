//! What became of the mistakes, by kind.

use std::{collections::BTreeMap, fmt::Write as _};

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    WrongFile,
    WholeExport,
    EmptyOrWildcard,
    OwnStaff,
    RoleMailbox,
    SharedPhone,
    WrongKey,
    Typo,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::WrongFile,
        Self::WholeExport,
        Self::EmptyOrWildcard,
        Self::OwnStaff,
        Self::RoleMailbox,
        Self::SharedPhone,
        Self::WrongKey,
        Self::Typo,
    ];

    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::WrongFile => "wrong file",
            Self::WholeExport => "whole CRM export",
            Self::EmptyOrWildcard => "empty, wildcard, placeholder",
            Self::OwnStaff => "own staff",
            Self::RoleMailbox => "role mailbox",
            Self::SharedPhone => "one phone, two persons",
            Self::WrongKey => "wrong account's key",
            Self::Typo => "typing error",
        }
    }
}

/// Where a mistake was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    Filing,
    Release,
    /// A person noticed in time; had they not, the ceiling would have bounded it.
    CoolingOff,
    LookUp,
    Account,
}

/// One mistake, played to its end.
#[derive(Clone, Debug)]
pub struct Played {
    pub kind: Kind,
    pub stop: Stop,
    /// Before the cooling-off was over, in all its futures.
    pub irreversible_before: usize,
    /// The most people one account had reached a day after the cooling-off, unless somebody noticed
    /// before.
    pub reached_in_a_day: usize,
    /// Whether, unnoticed, the ceiling parked the accounts.
    pub parked: bool,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub played: usize,
    pub filing: usize,
    pub release: usize,
    pub cooling_off: usize,
    /// Of those that only a person can notice: parked by the ceiling when nobody did.
    pub ceiling: usize,
    pub look_up: usize,
    pub account: usize,
    pub irreversible_before: usize,
    pub most_reached: usize,
}

impl Line {
    fn add(&mut self, one: &Played) {
        self.played += 1;
        match one.stop {
            Stop::Filing => self.filing += 1,
            Stop::Release => self.release += 1,
            Stop::CoolingOff => self.cooling_off += 1,
            Stop::LookUp => self.look_up += 1,
            Stop::Account => self.account += 1,
        }
        self.ceiling += usize::from(one.parked);
        self.irreversible_before += one.irreversible_before;
        self.most_reached = self.most_reached.max(one.reached_in_a_day);
    }
}

/// Counts by kind.
#[must_use]
pub fn count(all: &[Played]) -> BTreeMap<Kind, Line> {
    let mut lines: BTreeMap<Kind, Line> = BTreeMap::new();
    for one in all {
        lines.entry(one.kind).or_default().add(one);
    }
    lines
}

/// The table as it is printed.
#[must_use]
pub fn show(lines: &BTreeMap<Kind, Line>) -> String {
    let mut text = format!(
        "{:30}{:>7}{:>8}{:>9}{:>13}{:>10}{:>9}{:>9}{:>12}{:>11}\n",
        "mistake",
        "played",
        "filing",
        "release",
        "cooling-off",
        "(ceiling)",
        "look-up",
        "account",
        "early calls",
        "reached"
    );
    let mut row = |words: &str, l: &Line| {
        let _ = writeln!(
            text,
            "{words:30}{:>7}{:>8}{:>9}{:>13}{:>10}{:>9}{:>9}{:>12}{:>11}",
            l.played,
            l.filing,
            l.release,
            l.cooling_off,
            l.ceiling,
            l.look_up,
            l.account,
            l.irreversible_before,
            l.most_reached
        );
    };
    let mut all = Line::default();
    for (kind, line) in lines {
        row(kind.words(), line);
        all.played += line.played;
        all.filing += line.filing;
        all.release += line.release;
        all.cooling_off += line.cooling_off;
        all.ceiling += line.ceiling;
        all.look_up += line.look_up;
        all.account += line.account;
        all.irreversible_before += line.irreversible_before;
        all.most_reached = all.most_reached.max(line.most_reached);
    }
    row("all", &all);
    text += "preview: stops nothing by itself; an import that files anything shows count, accounts and ten masked rows, and waits\n\
             cooling-off: noticed by a person within it, then nobody was reached\n\
             (ceiling): the same, noticed a day after the cooling-off instead: parked at the daily ceiling\n\
             early calls: irreversible calls before the end of the cooling-off\n\
             reached: the most people at one account in the day after the cooling-off, unnoticed\n";
    text
}
