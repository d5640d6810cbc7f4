//! `efface request file`: a request is filed, planned and, where policy says so, released.

use anyhow::Result;
use clap::{
    Args as ClapArgs,
    builder::{PossibleValuesParser, TypedValueParser},
};
use efface_core::{
    ControllerId, RequestAction, RequestId, Scope,
    request::RequestState,
    subject::{Relation, Requester, Value},
};
use efface_store::{Filed, NewRequest, Proof, RequestView};
use jiff::civil::Date;
use serde_json::json;

use crate::{
    exit::Exit,
    identifiers::{IdentifierArgs, personal},
    print::{self, say, when},
    show::{RequestJson, TaskJson, head, task_table},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface request file --email ada@example.org --action erase --proof 'account login'
  efface request file --email ada@example.org --user-id U-7 --action erase_and_suppress \\
      --scope marketing --received-on 2026-11-20 --reference TICKET-12
  efface request file --email ada@example.org --action suppress --scope sale_or_sharing \\
      --relation authorised_agent --authority 'mandate of 2026-11-01' --proof 'signed letter'

Without --proof the request waits until `efface request identify` records one: an identifier that is
only stated never drives anything irreversible.";

/// `efface request file`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    wish: WishArgs,
}

/// What is wished, by whom and for whom.
#[derive(Debug, ClapArgs)]
pub struct WishArgs {
    /// What is asked for
    #[arg(long, value_parser = action_parser())]
    action: RequestAction,
    /// What is to stop; needed by everything but a plain erase
    #[arg(long, value_parser = scope_parser())]
    scope: Option<Scope>,
    /// In whose name the request is answered
    #[arg(long, default_value = "default", value_name = "ID")]
    controller: ControllerId,
    #[command(flatten)]
    identifiers: IdentifierArgs,
    /// How the person showed to hold the identifiers, e.g. 'account login'
    #[arg(long, value_name = "HOW")]
    proof: Option<String>,
    /// The day the request arrived [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    received_on: Option<Date>,
    /// The law or residence the request rests on, e.g. gdpr, us-ca
    #[arg(long)]
    regime: Option<String>,
    /// How it came in, e.g. email, form, letter
    #[arg(long)]
    channel: Option<String>,
    /// Your own number for it
    #[arg(long)]
    reference: Option<String>,
    /// What the requester is to the person
    #[arg(long, default_value = "self", value_parser = relation_parser())]
    relation: Relation,
    /// Where the requester is answered; never sent to a vendor
    #[arg(long, value_parser = personal)]
    contact: Option<Value>,
    /// The language the requester is answered in, e.g. de
    #[arg(long)]
    language: Option<String>,
    /// What shows that the requester may act for the person
    #[arg(long)]
    authority: Option<String>,
    /// Anything else worth keeping
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn action_parser() -> impl TypedValueParser<Value = RequestAction> {
    PossibleValuesParser::new(RequestAction::ALL.iter().map(|a| a.word()))
        .try_map(|word| word.parse::<RequestAction>())
}

fn scope_parser() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.iter().map(|s| s.word()))
        .try_map(|word| word.parse::<Scope>())
}

fn relation_parser() -> impl TypedValueParser<Value = Relation> {
    PossibleValuesParser::new(Relation::ALL.map(Relation::word))
        .try_map(|word| word.parse::<Relation>())
}

/// A civil date, strictly `YYYY-MM-DD`.
pub fn date(text: &str) -> Result<Date, String> {
    let shaped = text.len() == 10 && text.as_bytes().get(4) == Some(&b'-');
    text.parse()
        .ok()
        .filter(|_| shaped)
        .ok_or_else(|| "not a day of the calendar written YYYY-MM-DD, such as 2026-11-22".into())
}

impl WishArgs {
    /// The request as the store takes it.
    ///
    /// # Errors
    /// When the controller's days cannot be counted or an identifier cannot be read.
    pub fn read(self, context: &Context) -> Result<NewRequest> {
        context.need_zone(&self.controller)?;
        let identifiers = self.identifiers.read_some(context, &self.controller)?;
        let mut new = NewRequest::new(self.controller, self.action, identifiers, &context.actor);
        new.scope = self.scope;
        new.proof = self.proof.map(|how| Proof { how, by: context.actor.clone() });
        new.requester = Requester {
            relation: self.relation,
            contact: self.contact,
            language: self.language,
            authority: self.authority,
        };
        new.received_on = self.received_on;
        new.regime = self.regime;
        new.channel = self.channel;
        new.external_reference = self.reference;
        new.note = self.note;
        Ok(new)
    }
}

/// # Errors
/// When a brake refuses or the database cannot be written.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let new = args.wish.read(context)?;
    let Some(filed) = context.store.file(vec![new]).await.pop() else {
        anyhow::bail!("the store gave no answer; nothing is known to be filed");
    };
    let filed = filed?;
    let (id, duplicate_of, before) = match filed {
        Filed::New(id) => (id, None, false),
        Filed::Duplicate { id, of } => (id, Some(of), false),
        Filed::Before(id) => (id, None, true),
    };
    let view = context.store.request(id).await?;
    if context.json {
        let tasks: Vec<TaskJson> = view.tasks.iter().map(TaskJson::of).collect();
        print::json(&json!({
            "request": RequestJson::of(&view.request, context.now()),
            "duplicate_of": duplicate_of.map(|of| of.to_string()),
            "filed_before": before,
            "tasks": tasks,
            "next": next(&view, duplicate_of),
        }))?;
        return Ok(Exit::Done);
    }
    if before {
        say!("this was filed before; nothing was written");
    }
    print::pairs(&head(&view.request, context.now()))?;
    say!("");
    task_table(&view.tasks).print(if duplicate_of.is_some() {
        "no tasks of its own: the first request carries them"
    } else {
        "no tasks: no account is connected for this controller, nothing will be done anywhere"
    })?;
    say!("\nnext: {}", next(&view, duplicate_of));
    Ok(Exit::Done)
}

/// What to do next, in one sentence.
fn next(view: &RequestView, duplicate_of: Option<RequestId>) -> String {
    let id = view.request.id;
    if let Some(of) = duplicate_of {
        return format!("follow the first request: efface request show {of}");
    }
    match &view.request.state {
        RequestState::Received => {
            format!(
                "record how the person proved who they are: efface request identify {id} --proof '…'"
            )
        }
        RequestState::Identified => format!("release it: efface request release {id}"),
        RequestState::Released { cooling_until, .. } => format!(
            "nothing is sent before {}; until then `efface request cancel {id}` costs nothing, after it a running worker goes on",
            when(*cooling_until)
        ),
        RequestState::Running { .. } => format!("follow it: efface request show {id}"),
        RequestState::Closed { .. }
        | RequestState::Denied { .. }
        | RequestState::Cancelled { .. }
        | RequestState::Expired { .. }
        | RequestState::Duplicate { .. } => "nothing: it is over".into(),
    }
}
