//! `efface request list`: requests, newest first; by a person's identifier through the blind index.

use anyhow::Result;
use clap::{
    Args as ClapArgs,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use efface_core::{
    ControllerId, RequestAction,
    request::{Request, RequestState},
};
use efface_store::RequestFilter;
use serde_json::json;

use super::import_id;
use crate::{
    exit::Exit,
    identifiers::IdentifierArgs,
    print::{self, Table, say},
    show::{RequestJson, facts, overdue},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface request list --state identified
  efface request list --overdue --json
  efface request list --email ada@example.org
  efface request list --limit 50 --after 0193…";

/// `efface request list`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Only requests in this state
    #[arg(long, value_parser = PossibleValuesParser::new(RequestState::WORDS).map(|w| w))]
    state: Option<String>,
    /// Only this controller's
    #[arg(long, value_name = "ID")]
    controller: Option<ControllerId>,
    /// Only those that ask for this
    #[arg(long, value_parser = super::file::action_parser())]
    action: Option<RequestAction>,
    /// Only those of this import
    #[arg(long, value_name = "ID")]
    import: Option<String>,
    /// Only those past their day and not answered
    #[arg(long)]
    overdue: bool,
    /// At most so many (1 to 1000)
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on after this request (older ones)
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(flatten)]
    person: IdentifierArgs,
}

/// # Errors
/// When the database cannot be read.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let after = match &args.after {
        Some(text) => Some(context.store.resolve_request(text).await?),
        None => None,
    };
    let filter = RequestFilter {
        state: args.state.clone(),
        controller: args.controller.as_ref().map(ToString::to_string),
        action: args.action.map(|a| a.word().to_owned()),
        import: args.import.as_deref().map(import_id).transpose()?,
        overdue_at: args.overdue.then(|| context.now()),
        after,
        limit: args.limit,
    };
    let found = if args.person.is_empty() {
        context.store.requests(&filter).await?
    } else {
        of_person(context, args, &filter).await?
    };
    let full = found.len() == usize::try_from(args.limit).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| full).map(|r| r.id.to_string());
    if context.json {
        let now = context.now();
        let requests: Vec<RequestJson> = found.iter().map(|r| RequestJson::of(r, now)).collect();
        print::json(&json!({ "requests": requests, "next": next }))?;
        return Ok(Exit::Done);
    }
    table(context, &found).print("no request fits")?;
    if let Some(next) = next {
        say!("\nmore: add --after {next}");
    }
    Ok(Exit::Done)
}

/// By blind index: the identifiers themselves are stored nowhere in the clear.
async fn of_person(context: &Context, args: &Args, filter: &RequestFilter) -> Result<Vec<Request>> {
    let controller = match &args.controller {
        Some(controller) => controller.clone(),
        None => ControllerId::new("default")?,
    };
    let mut ids = vec![];
    for identifier in args.person.read(context, &controller)? {
        ids.extend(context.store.find_person(&identifier).await?);
    }
    ids.sort_unstable();
    ids.dedup();
    let now = context.now();
    let mut found = vec![];
    for id in ids.into_iter().rev().filter(|id| filter.after.is_none_or(|after| *id < after)) {
        let request = context.store.request(id).await?.request;
        let fits = filter.state.as_ref().is_none_or(|s| s == request.state.word())
            && filter.controller.as_ref().is_none_or(|c| c == request.controller.as_str())
            && filter.action.as_ref().is_none_or(|a| a == request.action.word())
            && filter.import.is_none_or(|i| request.import == Some(i))
            && (filter.overdue_at.is_none() || overdue(&request, now));
        if fits {
            found.push(request);
        }
        if found.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(found)
}

fn table(context: &Context, requests: &[Request]) -> Table {
    let now = context.now();
    let mut table =
        Table::new(&["request", "state", "action", "scope", "controller", "received", "due", ""]);
    for request in requests {
        table.row([
            request.id.to_string(),
            request.state.describe(),
            request.action.to_string(),
            request.scope.map_or_else(|| "-".into(), |s| s.to_string()),
            request.controller.to_string(),
            request.received_on.to_string(),
            request.due_on.to_string(),
            facts(request, now),
        ]);
    }
    table
}
