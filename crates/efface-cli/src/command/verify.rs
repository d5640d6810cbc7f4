//! `efface verify`: holds an evidence pack against the log's key. No settings, database or network.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_ledger::{
    Pack, VerifierKey,
    pack::{self, LIMITS, MAX_ARCHIVE, PART_NAMES, Parts, Report},
};
use serde_json::json;

use crate::{
    args::GlobalArgs,
    exit::{Exit, Failure},
    print::{self, Table, maybe_when, say, when},
    show::detail,
};

const AFTER: &str = "\
Examples:
  efface verify efface-evidence-0193….zip --key @efface.vkey
  efface verify unpacked-folder --key 'efface.example.org/log+1a2b3c4d+AQ…'
  efface verify first-quarter/packs/*.zip --key @efface.vkey
  efface verify pack.zip --key @efface.vkey --json

Take the key from whoever runs the log, by a way of its own (`efface audit key` prints it there): a key
that came along with the pack proves nothing.

Ends with 0 when every pack is verified, else with 1.";

/// `efface verify`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The archives, or folders with the unpacked parts of one
    #[arg(value_name = "PACK", required = true)]
    packs: Vec<PathBuf>,
    /// The log's verifier key, or @FILE with the key in it
    #[arg(long, value_name = "VKEY")]
    key: String,
}

/// # Errors
/// When pack or key cannot be read.
pub fn run(global: &GlobalArgs, args: &Args) -> Result<Exit> {
    let key = read_key(&args.key)?;
    if let [pack] = &args.packs[..] {
        let (read, report) = look(pack, &key)?;
        if global.json {
            print::json(&body(&read, &report)?)?;
        } else {
            tell(&report)?;
        }
        return Ok(ended(report.is_verified()));
    }
    several(global, &args.packs, &key)
}

fn look(path: &Path, key: &VerifierKey) -> Result<(ReadPack, Report)> {
    let read = read(path)?;
    for name in &read.not_looked_at {
        print::aside(format!("warning: {name} is no part of a pack; it was not looked at"));
    }
    let report = pack::verify(&read.pack, key);
    Ok((read, report))
}

const fn ended(verified: bool) -> Exit {
    if verified { Exit::Done } else { Exit::Failed }
}

fn body(read: &ReadPack, report: &Report) -> Result<serde_json::Value> {
    let mut body = serde_json::to_value(report)?;
    body["verified"] = json!(report.is_verified());
    body["limits"] = json!(LIMITS);
    body["not_looked_at"] = json!(read.not_looked_at);
    Ok(body)
}

/// One line each; one that cannot be read keeps no other from being looked at.
fn several(global: &GlobalArgs, paths: &[PathBuf], key: &VerifierKey) -> Result<Exit> {
    let (mut verified, mut bodies) = (0, vec![]);
    for path in paths {
        let shown = path.display().to_string();
        let (line, mut told) = match look(path, key) {
            Ok((read, report)) if report.is_verified() => {
                verified += 1;
                (format!("VERIFIED      {shown}"), body(&read, &report)?)
            }
            Ok((read, report)) => {
                let why = "`efface verify` of it alone says why";
                (format!("NOT VERIFIED  {shown}: {why}"), body(&read, &report)?)
            }
            Err(error) => (
                format!("NOT VERIFIED  {shown}: {error:#}"),
                json!({ "verified": false, "error": format!("{error:#}") }),
            ),
        };
        told["pack"] = json!(shown);
        if global.json { bodies.push(told) } else { say!("{line}") }
    }
    if global.json {
        print::json(&json!({ "packs": bodies, "verified": verified == paths.len() }))?;
    } else {
        say!("");
        say!("{verified} of {} verified", print::count(paths.len(), "pack"));
    }
    Ok(ended(verified == paths.len()))
}

fn tell(report: &Report) -> Result<()> {
    say!("{}", report.to_string().trim_end());
    if !report.is_verified() {
        return Ok(());
    }
    say!("");
    if let Some(subject) = &report.subject {
        say!(
            "The request is about the person with the {} {}.",
            subject.kind,
            subject.value.expose()
        );
    }
    say!("What the leaves say became of the request's tasks:");
    let head =
        ["account", "action", "outcome", "evidence", "since", "promised by", "leaf", "detail"];
    let mut table = Table::new(&head);
    for standing in &report.standings {
        let task = &standing.task;
        let state = &task.state;
        let outcome = state.outcome().map_or(state.word(), |o| o.word(task.action));
        table.row([
            task.account.to_string(),
            task.action.to_string(),
            outcome.to_owned(),
            crate::show::evidence(state, task.evidence).to_string(),
            when(standing.since),
            maybe_when(state.promised_by()),
            standing.leaf.to_string(),
            detail(task.action, state),
        ]);
    }
    table.print("it has none")?;
    Ok(())
}

/// A key as text or, after an `@`, in a file.
///
/// # Errors
/// When the file cannot be read or the text is no key.
pub fn read_key(text: &str) -> Result<VerifierKey> {
    let no_key = |error: efface_ledger::checkpoint::Error| {
        Failure::usage(format!("--key: {error}"))
            .hint("`efface audit key`, where the log is kept, prints it whole: name+id+key")
    };
    let Some(file) = text.strip_prefix('@') else {
        return Ok(text.parse::<VerifierKey>().map_err(no_key)?);
    };
    let mut read = String::new();
    let bytes = File::open(file).and_then(|f| f.take(64 * 1024).read_to_string(&mut read));
    bytes.with_context(|| format!("--key: cannot read {file}"))?;
    Ok(read.parse::<VerifierKey>().map_err(no_key)?)
}

struct ReadPack {
    pack: Pack,
    /// What lay in the folder and belongs to no pack.
    not_looked_at: Vec<String>,
}

fn read(path: &Path) -> Result<ReadPack> {
    let shown = path.display();
    let cannot = || format!("cannot read the pack {shown}");
    if path.metadata().with_context(cannot)?.is_dir() {
        return folder(path).with_context(cannot);
    }
    let file = File::open(path).with_context(cannot)?;
    let pack = pack::read(file).with_context(cannot)?;
    Ok(ReadPack { pack, not_looked_at: vec![] })
}

fn folder(path: &Path) -> Result<ReadPack> {
    let mut parts = Parts::default();
    for name in PART_NAMES {
        let mut bytes = vec![];
        match File::open(path.join(name)) {
            Ok(file) => file.take(MAX_ARCHIVE as u64 + 1).read_to_end(&mut bytes)?,
            // whether it had to be there, the pack itself tells
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context(name),
        };
        parts.add(name, bytes)?;
    }
    let mut not_looked_at = vec![];
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !PART_NAMES.contains(&name.as_str()) {
            not_looked_at.push(name);
        }
    }
    not_looked_at.sort();
    Ok(ReadPack { pack: parts.pack()?, not_looked_at })
}
