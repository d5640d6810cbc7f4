//! A vendor's card for eyes and for programs.

use std::time::Duration;

use anyhow::Result;
use efface_core::{
    Manifest,
    manifest::{EffectClass, Lists},
};

use crate::print::{self, Table, say};

/// Prints the whole card.
///
/// # Errors
/// When it cannot be printed.
pub fn print(manifest: &Manifest) -> Result<()> {
    let look_up = manifest.look_up.as_ref().map_or_else(
        || "not offered: nothing can be verified by looking".to_owned(),
        |l| {
            format!(
                "by {}, {} at once",
                print::list(&l.by),
                print::count(l.batch_items as usize, "person").replace("persons", "people")
            )
        },
    );
    let lists = match &manifest.lists {
        Lists::InPages(card) => {
            format!("in pages of {}, by {}", card.page_items, print::list(&card.by))
        }
        Lists::Cannot(why) => format!("no: {why}"),
    };
    let yes = |b: bool| if b { "yes" } else { "no" }.to_owned();
    let pace = manifest.pace;
    print::pairs(&[
        ("connector", format!("{} ({})", manifest.id, manifest.title)),
        ("category", manifest.category.to_owned()),
        ("look-up", look_up),
        ("lists its people", lists),
        ("suppress goes", format!("{} erase", manifest.suppress_order)),
        ("finds a lost call", yes(manifest.finds)),
        ("can recall", yes(manifest.recalls)),
        (
            "pace",
            format!("{} calls per second, {} at once", pace.calls_per_second, pace.calls_in_flight),
        ),
        ("quota", manifest.quota.unwrap_or("-").to_owned()),
        ("hosts", print::list(manifest.hosts)),
        ("documentation", format!("{} (read {})", manifest.documentation, manifest.read_on)),
    ])?;
    say!("");
    actions(manifest).print("no action is offered")?;
    say!("");
    steps(manifest).print("")?;
    bullets("what it keeps", manifest.keeps)?;
    bullets("rights the key needs", manifest.scopes)?;
    let effects: Vec<&str> = manifest.side_effects().iter().map(|s| s.word()).collect();
    if !effects.is_empty() {
        say!(
            "\nside effects to be accepted by name before it can go live: {}",
            print::list(&effects)
        );
    }
    Ok(())
}

fn bullets(title: &str, lines: &[&str]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    say!("\n{title}");
    for line in lines {
        say!("  - {line}");
    }
    Ok(())
}

fn actions(manifest: &Manifest) -> Table {
    let mut table = Table::new(&[
        "action",
        "asked by",
        "really does",
        "side effects",
        "can be taken back",
        "typical",
        "at worst",
        "evidence up to",
    ]);
    for card in &manifest.actions {
        table.row([
            card.action.to_string(),
            print::list(&card.keyed_by),
            card.stops.map_or("-", |s| s.word()).replace('_', " "),
            print::list(&card.side_effects),
            card.reversibility.word().replace('_', " "),
            span(card.latency.typical),
            span(card.latency.worst),
            card.highest.to_string(),
        ]);
    }
    table
}

fn steps(manifest: &Manifest) -> Table {
    let mut table = Table::new(&["action", "step", "a repeat", "people per call"]);
    for card in &manifest.actions {
        for step in &card.steps {
            table.row([
                card.action.to_string(),
                step.id.to_string(),
                class(step.class),
                step.batch_items.to_string(),
            ]);
        }
    }
    table
}

/// What a repeat of a call would do.
#[must_use]
pub fn class(class: EffectClass) -> String {
    match class {
        EffectClass::ReadOnly => "only reads".into(),
        EffectClass::NaturallyIdempotent => "changes nothing".into(),
        EffectClass::KeyIdempotent { key_lifetime } => {
            format!("is recognised for {}", span(key_lifetime))
        }
        EffectClass::Wasteful => "costs quota or a mail".into(),
        EffectClass::AtMostOnce => "could do harm: never repeated blindly".into(),
    }
}

/// A length of time in its largest whole unit.
#[must_use]
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    for (size, unit) in [(86_400, "day"), (3600, "hour"), (60, "minute")] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return print::count(usize::try_from(seconds / size).unwrap_or(usize::MAX), unit);
        }
    }
    format!("{seconds} s")
}
