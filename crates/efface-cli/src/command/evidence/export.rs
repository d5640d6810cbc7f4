//! `efface evidence export`: a request's leaves with their proofs, a signed checkpoint, and the same
//! in a record for people. What is written was verified first.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_core::{
    ControllerId, RequestId,
    journal::{About, Leaf},
    request::Request,
    subject::{Dossier, Value},
};
use efface_ledger::{
    Pack,
    pack::{self, Opening, PackedLeaf, Report, Standing},
};
use efface_store::{ExchangeView, RequestView};
use jiff::civil::Date;
use serde_json::json;

use super::{
    period::{self, Period},
    record,
};
use crate::{
    exit::{Exit, Failure},
    history::exchanges,
    identifiers::personal,
    print::{self, say},
    show::TaskJson,
    wiring::{
        Context,
        errand::spinner,
        files::write_whole,
        log::{Placing, Signed},
    },
};

const AFTER: &str = "\
Examples:
  efface evidence export 0193…
  efface evidence export 0193… --for ada@example.org -o ada.zip
  efface evidence export --from 2026-01-01 --to 2026-03-31 -o first-quarter
  efface verify efface-evidence-0193….zip --key @efface.vkey

The pack holds the request, its tasks, what was exchanged with each vendor, and every entry of the
journal about them with its proof up to a signed checkpoint; record.html says the same for people.
It opens no identifier of the person; what people wrote themselves (channel, reasons, notes) stands
in it as they wrote it. With --for it opens one identifier, so that its holder can check
that the request is about that person: give such a pack to nobody else.";

/// An identifier shorter than this would be met by chance.
const LEAST_TELLING: usize = 6;

/// `efface evidence export`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    #[arg(value_name = "REQUEST", conflicts_with_all = ["from", "to"])]
    id: Option<String>,
    /// Instead of one request: all that were received from this day on
    #[arg(long, value_name = "YYYY-MM-DD", requires = "to")]
    from: Option<Date>,
    /// … up to this day, which is included
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from")]
    to: Option<Date>,
    /// Only this controller's
    #[arg(long, value_name = "ID", requires = "from")]
    controller: Option<ControllerId>,
    /// Let the pack prove that the request is about this identifier
    #[arg(long = "for", value_name = "IDENTIFIER", value_parser = personal, requires = "id")]
    made_for: Option<Value>,
    /// Where to write [default: efface-evidence-<request>.zip; for a period a folder, efface-evidence-<from>-<to>]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
}

/// What a pack is made of.
pub(super) struct Material {
    pub view: RequestView,
    pub exchanges: Vec<(String, ExchangeView)>,
    /// The request as the last of its leaves has it.
    pub request: Request,
    pub leaves: Vec<PackedLeaf>,
    pub signed: Signed,
    pub key: String,
    pub opening: Option<Opening>,
}

/// # Errors
/// When there is no such request, it does not name the person, or the file cannot be written.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let Some(id) = &args.id else {
        let (Some(from), Some(to)) = (args.from, args.to) else {
            return Err(Failure::usage("name a REQUEST, or a period with --from and --to").into());
        };
        let period = Period { from, to, controller: args.controller.clone() };
        return period::export(context, &period, args.output.as_deref(), args.force).await;
    };
    let id = context.store.resolve_request(id).await?;
    // whether there is one at all, before anything else is said
    context.store.request(id).await?;
    let path = place(args.output.as_deref(), id);
    refuse_existing(&path, args.force)?;
    let opening = opening(context, id, args.made_for.as_ref()).await?;
    let made = make(context, id, opening).await?;
    let bytes = proven(&made)?;
    // such a pack is personal anyway; and of a person who was forgotten there is nothing to look for
    let named = match (&args.made_for, context.store.dossier(id).await) {
        (None, Ok(dossier)) => named_in(&made.pack, &dossier),
        (Some(_), _) | (None, Err(_)) => vec![],
    };
    write_whole(&path, &bytes, args.force)
        .with_context(|| format!("cannot write {}", path.display()))?;
    tell(context, args, &path, id, &made, &named)
}

fn place(output: Option<&Path>, id: RequestId) -> PathBuf {
    let name = format!("efface-evidence-{id}.zip");
    match output {
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(file) => file.to_owned(),
        None => PathBuf::from(name),
    }
}

fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    if force || path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Failure::refused(format!("{} exists already and is not overwritten", path.display()))
        .hint("choose another file with -o, or overwrite it with --force")
        .into())
}

async fn opening(
    context: &Context,
    id: RequestId,
    made_for: Option<&Value>,
) -> Result<Option<Opening>> {
    let Some(identifier) = made_for else { return Ok(None) };
    let opening = context.store.opening(id, identifier.expose()).await?;
    opening.map(Some).ok_or_else(|| {
        let message = format!("--for: request {id} does not name that identifier as this person's own");
        Failure::refused(message)
            .hint(format!("`efface request show {id}` lists, masked, those it names; one that is shared with somebody else opens nothing"))
            .into()
    })
}

/// A pack with the key it is for.
pub(super) struct Made {
    pack: Pack,
    key: efface_ledger::VerifierKey,
    signed: Signed,
}

/// # Errors
/// When the log cannot be signed, or the request's rows are not what its leaves say.
pub(super) async fn make(
    context: &Context,
    id: RequestId,
    opening: Option<Opening>,
) -> Result<Made> {
    let progress = spinner("waiting until every leaf of the request has its place in the log");
    let placing = Placing::begin(context, progress).await?;
    loop {
        // the leaves are read after the view: together they must tell one state
        let view = context.store.request(id).await?;
        let exchanges = exchanges(context, &view).await?;
        let signed = placing.sign().await?;
        let Some(signed) = signed else {
            placing.pause("no leaf of the request had a place in the log").await?;
            continue;
        };
        let Some(leaves) = context.store.packed_leaves(id, &signed.checkpoint).await? else {
            placing.pause("not every leaf of the request had a place in the log").await?;
            continue;
        };
        let request = last_request(&leaves, id)?;
        let key = placing.key.to_string();
        let opening = opening.clone();
        let material = Material { view, exchanges, request, leaves, signed, key, opening };
        let pack = packed(context, &material)?;
        let report = pack::verify(&pack, &placing.key);
        if !agree(&material, &report)? {
            placing.pause("the rows of the request and its leaves did not tell one state").await?;
            continue;
        }
        let key = placing.key.clone();
        return Ok(Made { pack, key, signed: material.signed });
    }
}

/// The request by its newest leaf.
fn last_request(leaves: &[PackedLeaf], id: RequestId) -> Result<Request> {
    let mut last: Option<Request> = None;
    for leaf in leaves {
        let (About::RequestFiled { request, .. } | About::RequestMoved { after: request, .. }) =
            Leaf::read(&leaf.body)?.about
        else {
            continue;
        };
        let newer = last.as_ref().is_none_or(|known| known.version < request.version);
        if request.id == id && newer {
            last = Some(*request);
        }
    }
    last.with_context(|| {
        format!("the journal has no leaf of request {id}; `efface audit verify` tells more")
    })
}

fn packed(context: &Context, material: &Material) -> Result<Pack> {
    let tasks: Vec<TaskJson> = material.view.tasks.iter().map(TaskJson::of).collect();
    let all: Vec<_> = material
        .exchanges
        .iter()
        .map(|(task, exchange)| json!({ "task": task, "exchange": exchange }))
        .collect();
    let request = json!({ "request": material.request, "tasks": tasks, "exchanges": all });
    let record::Record { html, pdf } = record::record(material, context.now())?;
    Ok(Pack {
        checkpoint: material.signed.row.note.clone(),
        request: request.to_string(),
        leaves: material.leaves.clone(),
        opening: material.opening.clone(),
        record: html,
        paper: Some(pdf),
    })
}

/// Waits while the rows are ahead of the leaves, or the other way round; whether they are one.
///
/// # Errors
/// When they tell one version differently: that passes by no waiting.
fn agree(material: &Material, report: &Report) -> Result<bool> {
    let altered = |what: String| {
        Failure::new(Exit::Failed, format!("{what} in the database is not what its journal says"))
            .hint("one of the two was altered; `efface audit verify` tells whether it was the journal")
    };
    let (row, leaf) = (&material.view.request, &material.request);
    if row.version != leaf.version {
        return Ok(false);
    }
    if row != leaf {
        return Err(altered(format!("request {}", row.id)).into());
    }
    // only a verified pack tells standings; what is wrong with another is told when it is written
    if !report.is_verified() {
        return Ok(true);
    }
    let tasks = &material.view.tasks;
    for Standing { task, .. } in &report.standings {
        let Some(row) = tasks.iter().map(|view| &view.row.task).find(|row| row.id == task.id)
        else {
            return Ok(false);
        };
        if row.version != task.version {
            return Ok(false);
        }
        if row != task {
            return Err(altered(format!("task {}", row.id)).into());
        }
    }
    Ok(tasks.len() == report.standings.len())
}

/// The archive's bytes, read back and verified.
///
/// # Errors
/// When the pack does not verify.
pub(super) fn proven(made: &Made) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    pack::write(&made.pack, &mut bytes)?;
    let report = pack::verify(&pack::read(&bytes[..])?, &made.key);
    if report.is_verified() {
        return Ok(bytes);
    }
    Err(Failure::new(
        Exit::Failed,
        format!(
            "the pack does not verify, and was not written:\n{}",
            report.to_string().trim_end()
        ),
    )
    .hint("`efface audit verify` looks at the whole journal")
    .into())
}

/// Which identifiers of the person the pack's free texts (reasons, notes, notices) repeat, by kind.
fn named_in(pack: &Pack, dossier: &Dossier) -> Vec<String> {
    let bodies: Vec<String> = pack
        .leaves
        .iter()
        .flat_map(|leaf| [&leaf.body].into_iter().chain(leaf.items.iter().map(|item| &item.line)))
        .chain([&pack.request])
        .map(|text| text.to_lowercase())
        .collect();
    let mut kinds = vec![];
    for identifier in &dossier.identifiers {
        let forms = [identifier.typed.expose(), identifier.normal.expose()].map(str::to_lowercase);
        let said = |form: &String| {
            form.chars().count() >= LEAST_TELLING
                && bodies.iter().any(|b| b.contains(form.as_str()))
        };
        let kind = identifier.kind.word();
        if forms.iter().any(said) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn tell(
    context: &Context,
    args: &Args,
    path: &Path,
    id: RequestId,
    made: &Made,
    named: &[String],
) -> Result<Exit> {
    let key = &made.key;
    let shown = path.display();
    let verify = format!("efface verify {} --key '{key}'", quoted(path));
    let signed = &made.signed;
    if context.json {
        print::json(&json!({
            "request": id,
            "file": path,
            "key": key.to_string(),
            "leaves": made.pack.leaves.len(),
            "checkpoint": {
                "size": signed.row.size, "at": signed.row.at, "anchored_at": signed.row.anchored_at,
            },
            "opens_identifier": args.made_for.is_some(),
            "named_in_texts": named,
            "verify": verify,
        }))?;
    } else {
        let leaves = print::leaves(made.pack.leaves.len() as u64);
        let all = print::leaves(signed.row.size);
        say!("wrote {shown}: {leaves} of request {id}, verified in a signed journal of {all}");
        say!("key     {key}");
        say!("verify  {verify}");
    }
    if args.made_for.is_some() {
        print::aside("this pack names the person: give it to that person alone");
    }
    if !named.is_empty() {
        print::aside(format!(
            "warning: a reason, note or notice repeats the person's {}: this pack is personal, though nothing was opened in it",
            print::list(named)
        ));
    }
    Ok(Exit::Done)
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./…".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
