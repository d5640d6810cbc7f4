//! `efface audit`: the log over the journal. Its key is handed out, its checkpoints are signed, and
//! the whole journal is read against one.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args as ClapArgs, Subcommand};
use efface_ledger::{
    Checkpoint,
    log::{Discrepancy, Kind, Verdict},
    timestamp::Stamp,
};
use efface_store::{Audited, CheckpointRow, LogStatus};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::{
    exit::{Exit, Failure},
    print::{self, leaves, say, when},
    wiring::{
        Context, anchor, elsewhere,
        errand::{bar, spinner},
        log::{Placing, Signed},
    },
};

/// What can be done with the log.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How far the log is, and where its checkpoints are kept
    Status(StatusArgs),
    /// Print the verifier key, to be handed out
    Key(KeyArgs),
    /// Sign the log as it stands and print the checkpoint
    Checkpoint(CheckpointArgs),
    /// Read the whole journal against a checkpoint
    Verify(VerifyArgs),
}

/// `efface audit status`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  efface audit status\n  efface audit status --json")]
pub struct StatusArgs {}

/// `efface audit key`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  efface audit key > efface.vkey

Whoever is to check evidence gets this key by a way of its own, not beside the evidence. It signs
nothing and opens nothing.")]
pub struct KeyArgs {}

/// `efface audit checkpoint`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  efface audit checkpoint > 2026-12-31.checkpoint
  efface audit checkpoint --json

A copy that lies with somebody else proves from that day on what it covers. The setting
ledger.anchor_folder lets the worker keep one of each by itself.")]
pub struct CheckpointArgs {}

/// `efface audit verify`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  efface audit verify
  efface audit verify --checkpoint /mnt/elsewhere/00000000000000001000-0a1b2c3d4e5f6071.checkpoint

Ends with 0 when the journal is the one that was signed, else with 1.")]
pub struct VerifyArgs {
    /// A copy of a checkpoint, kept outside [default: the last one in the database]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// Carries a subcommand out.
///
/// # Errors
/// With what stood in the way.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Status(_) => status(context).await,
        Command::Key(_) => key(context).await,
        Command::Checkpoint(_) => checkpoint(context).await,
        Command::Verify(args) => verify(context, args.checkpoint.as_deref()).await,
    }
}

async fn status(context: &Context) -> Result<Exit> {
    let LogStatus { size, unplaced, checkpoint } = context.store.log_status().await?;
    let key = context.store.verifier_key().await?;
    let folder = context.settings.ledger.anchor_folder.as_deref();
    let now = context.now();
    let ended = context.store.ended_counts().await?;
    let standings = elsewhere::standings(&context.store, &context.settings).await?;
    let records = ended.iter().fold(0u64, |all, (.., count)| all.saturating_add(*count));
    if context.json {
        let last = checkpoint.map(|row| {
            json!({
                "size": row.size, "at": row.at, "anchored_at": row.anchored_at,
                "age_seconds": now.since(row.at).as_secs(),
            })
        });
        print::json(&json!({
            "log": key.name(), "leaves": size, "without_position": unplaced,
            "checkpoint": last, "anchor_folder": folder,
            "records_ended": records,
            "anchors_outside": standings.iter().map(|s| json!({
                "kind": s.which.name(), "place": s.place, "works": s.works,
                "last_success": s.last.as_ref().map(|(at, _)| at),
                "leaves": s.last.as_ref().map(|(_, leaves)| leaves),
            })).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    let mut lines = vec![
        ("log", key.name().to_owned()),
        ("leaves", size.to_string()),
        ("without position", unplaced.to_string()),
    ];
    if records > 0 {
        lines.push(("records ended", format!("{records}, by retention: their hashes stay")));
    }
    match &checkpoint {
        None => lines.push(("last checkpoint", "none yet".into())),
        Some(row) => {
            let age = age(now.since(row.at).as_secs());
            let covers = leaves(row.size);
            lines.push(("last checkpoint", format!("{covers}, {} ({age} ago)", when(row.at))));
            lines.push(("anchored", anchored(row)));
        }
    }
    if let Some(row) = context.store.last_restore().await? {
        lines.push((
            "goes on from",
            format!("{}, after leaf {}", row.restore.before, row.restore.leaves),
        ));
    }
    lines.push(("anchor folder", folder.map_or("none".into(), |f| f.display().to_string())));
    let outside: Vec<(String, String)> =
        standings.iter().map(|s| (format!("anchor {}", s.which.name()), s.told())).collect();
    lines.extend(outside.iter().map(|(name, told)| (name.as_str(), told.clone())));
    print::pairs(&lines)?;
    for standing in standings.iter().filter(|s| !s.works) {
        print::aside(format!(
            "warning: {} is set, and the newest checkpoint did not arrive there",
            standing.which.setting()
        ));
    }
    match folder {
        None if standings.iter().any(|s| s.works) => {}
        None => print::aside(
            "warning: ledger.anchor_folder is not set: whoever holds database and key could rewrite the journal and sign it anew, and nobody could tell",
        ),
        Some(folder) if anchor::lies_with_database(&context.settings, folder) => print::aside(
            "warning: the anchor folder lies with the database: whoever loses or alters the one has the other too",
        ),
        Some(_) => {}
    }
    Ok(Exit::Done)
}

fn anchored(row: &CheckpointRow) -> String {
    row.anchored_at.map_or_else(|| "no".into(), |at| format!("yes, {}", when(at)))
}

/// A duration in its largest unit.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

async fn key(context: &Context) -> Result<Exit> {
    let key = context.store.verifier_key().await?;
    if context.json {
        print::json(&json!({ "log": key.name(), "key": key.to_string() }))?;
    } else {
        say!("{key}");
    }
    Ok(Exit::Done)
}

async fn checkpoint(context: &Context) -> Result<Exit> {
    let placing = Placing::begin(context, spinner("giving every leaf its place")).await?;
    // what is written from now on is the next checkpoint's
    let LogStatus { size, unplaced, .. } = placing.status().await?;
    let wanted = size.saturating_add(unplaced);
    let signed = loop {
        match placing.sign().await? {
            Some(signed) if signed.row.size >= wanted => break signed,
            None if wanted == 0 => {
                let empty = "the journal is empty: there is nothing to sign";
                return Err(Failure::new(Exit::Failed, empty).into());
            }
            Some(_) | None => placing.pause("not every leaf had a place in the log").await?,
        }
    };
    let Signed { row, .. } = signed;
    if context.json {
        print::json(&json!({
            "size": row.size, "at": row.at, "anchored_at": row.anchored_at, "note": row.note,
        }))?;
    } else {
        // the note alone on standard output, to the byte
        say!("{}", row.note.strip_suffix('\n').unwrap_or(&row.note));
        print::aside(format!("signed {} on {}", leaves(row.size), when(row.at)));
    }
    Ok(Exit::Done)
}

async fn verify(context: &Context, file: Option<&Path>) -> Result<Exit> {
    if let (None, Some(folder)) = (file, &context.settings.ledger.anchor_folder) {
        anchor::check_anchor(&context.store, folder, |text| {
            print::aside(format!("warning: {text}"))
        })
        .await?;
    }
    let key = context.store.verifier_key().await?;
    let signed = match file {
        Some(file) => {
            let past = context.store.past_keys().await?;
            anchor::open(file, &[vec![key], past].concat())?
        }
        None => last(context, &key).await?,
    };
    let stamped = stamped(context, file, &signed);
    let progress = bar(usize::try_from(signed.size).unwrap_or(usize::MAX));
    let told = progress.clone();
    let verdict =
        context.store.audit(&signed, move |read| ProgressBar::set_position(&told, read)).await;
    progress.finish_and_clear();
    let Audited { verdict, ended } = verdict?;
    let is_whole = matches!(verdict, Verdict::Whole { .. });
    if context.json {
        let mut body = as_json(&signed, &verdict);
        body["ended_by_retention"] = json!(ended);
        if let Some((path, stamp)) = &stamped {
            body["time_stamp"] = json!({ "at": stamp.at, "file": path });
        }
        print::json(&body)?;
    } else {
        let source = match file {
            Some(file) => format!("the checkpoint {}", file.display()),
            None => "the last checkpoint of the database".into(),
        };
        say!("against {source}: {verdict}");
        if is_whole && ended > 0 {
            say!(
                "{}: of these the hash stands in the tree, and their content was removed when its time was over",
                print::count(
                    usize::try_from(ended).unwrap_or(usize::MAX),
                    "leaf that ended by retention"
                )
            );
        }
        if let Some((path, stamp)) = &stamped {
            say!(
                "time stamp of {}: {}; its signature is verified with `openssl ts -verify`",
                when(stamp.at),
                path.display()
            );
        }
        if is_whole && file.is_none() {
            print::aside(
                "this checkpoint lies in the same database; against a copy kept elsewhere (--checkpoint FILE) it proves more",
            );
        }
    }
    Ok(if is_whole { Exit::Done } else { Exit::Failed })
}

/// The time stamp beside the checkpoint's copy. One that does not belong there says nothing against
/// the journal, and is told.
fn stamped(
    context: &Context,
    file: Option<&Path>,
    signed: &Checkpoint,
) -> Option<(PathBuf, Stamp)> {
    let folder = context.settings.ledger.anchor_folder.as_deref();
    let copy = match file {
        Some(file) => file.to_owned(),
        None => folder?.join(anchor::file_name(signed)),
    };
    elsewhere::stamp_beside(&copy).unwrap_or_else(|error| {
        print::aside(format!("warning: the time stamp: {error:#}"));
        None
    })
}

async fn last(context: &Context, key: &efface_ledger::VerifierKey) -> Result<Checkpoint> {
    let Some(row) = context.store.last_checkpoint().await? else {
        return Err(Failure::new(Exit::Failed, "no checkpoint was signed yet")
            .hint("`efface audit checkpoint` signs one; a worker does so by itself")
            .into());
    };
    Ok(Signed::open(row, key)?.checkpoint)
}

fn as_json(signed: &Checkpoint, verdict: &Verdict) -> Value {
    let mut body = json!({
        "checkpoint": { "size": signed.size, "root": hex::encode(signed.root) },
        "told": verdict.to_string(),
    });
    match verdict {
        Verdict::Whole { signed, unsigned } => {
            body["whole"] = json!(true);
            body["signed"] = json!(signed);
            body["unsigned"] = json!(unsigned);
        }
        Verdict::Differs(Discrepancy { kind, found, signed, first, stored_hold }) => {
            body["whole"] = json!(false);
            body["signed"] = json!(signed);
            body["found"] = json!(found);
            body["differs"] = json!({
                "kind": word(*kind), "first_leaf": first, "stored_hashes_hold": stored_hold,
            });
        }
    }
    body
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Truncated => "truncated",
        Kind::Deleted => "deleted",
        Kind::Inserted => "inserted",
        Kind::Reordered => "reordered",
        Kind::Altered => "altered",
        Kind::Fewer => "fewer",
        Kind::Other => "other",
        Kind::StoredHashes => "stored_hashes",
    }
}
