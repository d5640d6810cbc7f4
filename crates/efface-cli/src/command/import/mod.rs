//! `efface request import`: many requests from a file. Read as a stream, filed in groups, braked row
//! by row; everything waits for a release.

mod carry;
mod columns;
mod csv;
mod meaning;
mod ndjson;
mod origin;
mod people;
mod reader;
mod receipt;
mod report;
mod row;
mod source;
mod tally;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_core::{ControllerId, ImportId, RequestAction, Scope};
use jiff::civil::Date;
use std::ffi::OsStr;

pub use self::people::{NamingArgs, people_of};
use self::{
    carry::Carrier,
    columns::Naming,
    origin::Origin,
    reader::Reader,
    report::Refusals,
    row::{Defaults, Rows},
    source::{Format, Source},
};
use super::request::file::date;
use crate::{
    exit::{Exit, Failure},
    print,
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface request import people.csv --action erase --proof 'account login' --dry-run
  efface request import people.csv --map 'E-Mail=email' --ignore-column 'Full name' --action erase
  zcat people.ndjson.gz | efface request import - --format ndjson --receipt people.receipt.csv

Columns (in any order and case; identifiers may come twice, as email and email_2):
  email phone user_id anonymous_id device_id advertising_id vendor:NAMESPACE
  action scope controller proof received_on regime channel external_reference
  requester_relation requester_contact language note
NDJSON uses the same names as keys.

The file is UTF-8; comma, semicolon or tab are told from the header. A row that is refused spoils no
other; the receipt says what became of each line and names nobody. Without a proof, by column or
--proof, a row is filed and waits for `efface request identify`.

The same file may be imported again, also after it was cut off in the middle: a row that is filed is
not filed twice. Nothing is sent to any vendor before `efface request release`.

Exit code 1 when rows were refused.";

/// Refused rows printed unless --limit-errors says otherwise; a dry run prints all.
const PRINTED: u64 = 20;

/// `efface request import`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The file, or - for standard input
    file: PathBuf,
    /// The file's form [default: by its name]
    #[arg(long)]
    format: Option<Format>,
    /// What parts the cells of a CSV file: one sign, or `tab` [default: told from the header]
    #[arg(long, value_name = "SIGN", value_parser = source::delimiter)]
    delimiter: Option<u8>,
    /// Read the column NAME as COLUMN; may be repeated
    #[arg(long, value_name = "NAME=COLUMN")]
    map: Vec<String>,
    /// Leave a column out; may be repeated
    #[arg(long, value_name = "NAME")]
    ignore_column: Vec<String>,
    /// Check every row and show what would be done; file nothing
    #[arg(long)]
    dry_run: bool,
    /// Print at most so many refused rows [default: 20; all in a dry run]
    #[arg(long, value_name = "N")]
    limit_errors: Option<u64>,
    /// Where the receipt is written [default: FILE.receipt.csv]
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    defaults: DefaultArgs,
}

/// What holds for rows whose own cell is empty.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "For rows that do not say otherwise")]
struct DefaultArgs {
    /// erase, suppress, erase_and_suppress or lift
    #[arg(long)]
    action: Option<RequestAction>,
    /// marketing, sale_or_sharing, collection or all_processing; needed by all but a plain erase
    #[arg(long)]
    scope: Option<Scope>,
    /// In whose name the requests are answered
    #[arg(long, default_value = "default", value_name = "ID")]
    controller: ControllerId,
    /// How the people showed to hold the identifiers, e.g. 'account login'
    #[arg(long, value_name = "HOW")]
    proof: Option<String>,
    /// The day the requests arrived [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    received_on: Option<Date>,
    /// The law or residence the requests rest on, e.g. gdpr, us-ca
    #[arg(long)]
    regime: Option<String>,
    /// How they came in, e.g. email, form, letter
    #[arg(long)]
    channel: Option<String>,
}

impl DefaultArgs {
    fn read(self) -> Result<Defaults, Failure> {
        let texts =
            [("--proof", &self.proof), ("--regime", &self.regime), ("--channel", &self.channel)];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|t| t.trim().is_empty()) {
                return Err(Failure::usage(format!("{name} is empty; leave it out or fill it")));
            }
        }
        Ok(Defaults {
            action: self.action,
            scope: self.scope,
            controller: self.controller,
            proof: self.proof,
            received_on: self.received_on,
            regime: self.regime,
            channel: self.channel,
        })
    }
}

/// # Errors
/// When the file as a whole cannot be read, or the database cannot be written.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let dry_run = args.dry_run;
    let (name, carrier) = carry(context, args).await?;
    report::tell(context, &name, dry_run, &carrier).await
}

/// What an import came to, for the demo.
pub struct Taken {
    pub import: ImportId,
    pub rows: u64,
    pub filed: u64,
    pub refused: u64,
    pub receipt: PathBuf,
}

/// Imports a file as `efface request import FILE` does, without telling.
///
/// # Errors
/// As [`run`].
pub async fn take_file(context: &Context, file: &std::path::Path) -> Result<Taken> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let line = <Line as clap::Parser>::try_parse_from([
        OsStr::new("import"),
        OsStr::new("--limit-errors"),
        OsStr::new("0"),
        file.as_os_str(),
    ])?;
    let (_, carrier) = carry(context, line.args).await?;
    let counts = &carrier.counts;
    Ok(Taken {
        import: carrier.import.context("nothing was imported")?,
        rows: counts.rows(),
        filed: counts.filed(),
        refused: counts.refused,
        receipt: carrier.receipt_path().cloned().unwrap_or_default(),
    })
}

async fn carry(context: &Context, args: Args) -> Result<(String, Carrier<'_>)> {
    let longest = usize::try_from(context.settings.import.max_line_bytes)?;
    let group_rows = usize::try_from(context.settings.import.batch_rows)?;
    let naming = Naming::new(&args.map, &args.ignore_column)?;
    let defaults = args.defaults.read()?;
    context.need_zone(&defaults.controller)?;
    let options = format!("{defaults:?}\n{:?}\n{:?}", args.map, args.ignore_column);
    if let Some(path) = &args.receipt {
        receipt::check(path, &args.file)?;
    }
    let source = Source::open(&args.file, args.format, args.delimiter, longest)?;
    let name = source.name.clone();
    let limit = args.limit_errors.or_else(|| (!args.dry_run).then_some(PRINTED));
    let refusals = Refusals::new(context.json, limit, source.bytes, source.position.clone());
    let origin = Origin {
        path: args.file,
        file: source.file.clone(),
        options,
        receipt: args.receipt,
        dry_run: args.dry_run,
    };
    let rows = Rows::of(&context.store, defaults.clone(), &context.actor);
    let reader = Reader::begin(source, naming, Some(&defaults), rows, longest)?;

    let (sender, groups) = tokio::sync::mpsc::channel(1);
    // a thread of its own, not the runtime's: one that waits for standard input must not keep the
    // process from ending
    std::thread::Builder::new()
        .name("import".into())
        .spawn(move || reader.run(&sender, group_rows))
        .context("no thread to read the file")?;
    let mut carrier = Carrier::new(context, origin, refusals);
    let carried = carrier.carry(groups, tokio::spawn(interrupted())).await;
    if let (true, Some(path)) = (carried.is_err(), carrier.receipt_path()) {
        let rows = carrier.counts.rows();
        print::aside(format!(
            "{rows} rows were dealt with before this; the receipt is {}",
            path.display()
        ));
    }
    carried?;
    if let Some(failure) = carrier.no_rows(&name) {
        return Err(failure.into());
    }
    Ok((name, carrier))
}

/// Ends when the process is asked to end.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // without a handler the import is cut off, which is safe as well
    let _ = tokio::signal::ctrl_c().await;
}
