//! `efface request`: from the plan to the answer.

pub mod amend;
pub mod answered;
pub mod cancel;
pub mod deny;
pub mod file;
pub mod hold;
pub mod identify;
pub mod list;
pub mod mark_in_error;
pub mod plan;
pub mod release;
pub mod show;
pub mod why;

use anyhow::Result;
use clap::Subcommand;
use efface_core::{ImportId, request::Request};
use efface_store::{Error, RequestFilter};

use crate::{
    exit::Exit,
    print::{self, say},
    show::RequestJson,
    wiring::{Context, shortened},
};

/// What can be done with requests.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a request would do at each account, without filing it
    Plan(plan::Args),
    /// File a request
    File(file::Args),
    /// File many requests from a CSV or NDJSON file
    Import(super::import::Args),
    /// Record a proof of who the person is
    Identify(identify::Args),
    /// Add identifiers to a request
    Amend(amend::Args),
    /// Release requests, so that they are carried out after the cooling-off
    Release(release::Args),
    /// Deny a request, with the reason the person is told
    Deny(deny::Args),
    /// Put a legal hold on a request or an import, or end it
    Hold(hold::Args),
    /// Record that the person has been told the outcome
    Answered(answered::Args),
    /// List requests, newest first
    List(list::Args),
    /// Show one request with its tasks
    Show(show::Args),
    /// Say why a request is not done, and who can help
    Why(why::Args),
    /// Cancel a request
    Cancel(cancel::Args),
    /// Mark a request as filed by mistake and print an incident sheet
    MarkInError(mark_in_error::Args),
}

impl Command {
    /// Whether tasks are planned: that asks what each vendor can do under all of its settings.
    #[must_use]
    pub const fn plans(&self) -> bool {
        match self {
            Self::Plan(_)
            | Self::File(_)
            | Self::Import(_)
            | Self::Identify(_)
            | Self::Amend(_) => true,
            Self::Release(_)
            | Self::Deny(_)
            | Self::Hold(_)
            | Self::Answered(_)
            | Self::List(_)
            | Self::Show(_)
            | Self::Why(_)
            | Self::Cancel(_)
            | Self::MarkInError(_) => false,
        }
    }
}

/// Carries a subcommand out.
///
/// # Errors
/// With what stood in the way.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Plan(args) => plan::run(context, args).await,
        Command::File(args) => file::run(context, args).await,
        Command::Import(args) => super::import::run(context, args).await,
        Command::Identify(args) => identify::run(context, &args).await,
        Command::Amend(args) => amend::run(context, &args).await,
        Command::Release(args) => release::run(context, &args).await,
        Command::Deny(args) => deny::run(context, &args).await,
        Command::Hold(args) => hold::run(context, &args).await,
        Command::Answered(args) => answered::run(context, &args).await,
        Command::List(args) => list::run(context, &args).await,
        Command::Show(args) => show::run(context, &args).await,
        Command::Why(args) => why::run(context, &args).await,
        Command::Cancel(args) => cancel::run(context, &args).await,
        Command::MarkInError(args) => mark_in_error::run(context, &args).await,
    }
}

/// An import's id as typed.
///
/// # Errors
/// Not found, when it is no id at all.
pub fn import_id(text: &str) -> Result<ImportId, Error> {
    let missing = |_| Error::NotFound { what: "import", id: shortened(text), list: "request" };
    text.parse().map_err(missing)
}

/// # Errors
/// When there is no such import.
async fn need_import(context: &Context, import: ImportId) -> Result<()> {
    // the list names the last ones alone
    let filter = RequestFilter { import: Some(import), limit: 1, ..RequestFilter::default() };
    if !context.store.requests(&filter).await?.is_empty()
        || context.store.imports().await?.iter().any(|row| row.id == import)
    {
        return Ok(());
    }
    let id = import.to_string();
    Err(Error::NotFound { what: "import", id, list: "request" }.into())
}

/// Tells where a request stands after a move.
fn tell(context: &Context, request: &Request, done: &str) -> Result<Exit> {
    if context.json {
        print::json(&RequestJson::of(request, context.now()))?;
    } else {
        say!("request {} {done}; it is now {}", request.id, request.state.describe());
    }
    Ok(Exit::Done)
}
