//! The anchors on other machines: each newest checkpoint is posted to an address of your own choice,
//! stamped by a time-stamping authority, mailed. Whoever keeps what arrives there can tell from that
//! day on whether the journal was rewritten.

mod mail;
mod stamp;
mod webhook;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use efface_connector::{Digest, Http, HttpConfig, Reply, Request, place_of};
use efface_core::Timestamp;
use efface_settings::Settings;
use efface_store::{CheckpointRow, SqlStore, Store as _};

pub use stamp::beside as stamp_beside;

/// A time stamp with its certificates is a tenth of it; of other answers nothing is needed.
const BODY_CAP: u64 = 64 * 1024;
/// So many digits of a note's digest tell two histories of one size apart.
const MARK_DIGITS: usize = 16;
/// Under this name a process that hands over keeps the others from doing the same at once.
const AT_WORK: &str = "anchor_outside_at_work";
/// One that was killed is waited for so long.
const PATIENCE: Duration = Duration::from_secs(300);
const HERE: [&str; 3] = ["http://127.0.0.1", "http://localhost", "http://[::1]"];

/// Of each job, when it last ran and what came of it.
type Runs = [(String, Timestamp, String)];

/// A place outside this host that learns of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    Webhook,
    TimeStamp,
    Mailbox,
}

impl Elsewhere {
    pub const ALL: [Self; 3] = [Self::Webhook, Self::TimeStamp, Self::Mailbox];

    /// What it is called where people read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::TimeStamp => "time stamp",
            Self::Mailbox => "mailbox",
        }
    }

    /// The setting that turns it on.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Webhook => "ledger.anchor_webhook",
            Self::TimeStamp => "ledger.anchor_timestamp_url",
            Self::Mailbox => "ledger.anchor_mail_to",
        }
    }

    /// Under this name the last success is remembered, with the checkpoint that arrived.
    const fn memory(self) -> &'static str {
        match self {
            Self::Webhook => "anchor_webhook",
            Self::TimeStamp => "anchor_timestamp",
            Self::Mailbox => "anchor_mail",
        }
    }

    /// Where it is, as may be shown (of a mailbox its server, not the address); none where it is not
    /// set.
    #[must_use]
    pub fn place(self, settings: &Settings) -> Option<&str> {
        match self {
            Self::Webhook => settings.ledger.anchor_webhook.as_deref(),
            Self::TimeStamp => settings.ledger.anchor_timestamp_url.as_deref(),
            Self::Mailbox => {
                settings.ledger.anchor_mail_to.as_ref()?;
                settings.ledger.anchor_mail_server.as_deref()
            }
        }
    }

    /// How far behind the newest checkpoint it may be and still counts as working.
    fn may_lag(self, settings: &Settings) -> Duration {
        let checkpoint = Duration::from_secs(settings.ledger.checkpoint_minutes * 60);
        match self {
            Self::Webhook | Self::TimeStamp => checkpoint,
            Self::Mailbox => checkpoint.max(mail::every(settings)),
        }
    }

    /// Why nothing is to be handed over now, where that is so.
    fn rests(
        self,
        store: &SqlStore,
        settings: &Settings,
        runs: &Runs,
        row: &CheckpointRow,
        now: Timestamp,
    ) -> Option<String> {
        let (name, memory, mark) = (self.name(), self.memory(), mark(store, row));
        if runs.iter().any(|(job, _, told)| job == memory && *told == mark) {
            return Some(format!(
                "{name}: the checkpoint of {} leaves has arrived already",
                row.size
            ));
        }
        match self {
            Self::Webhook | Self::TimeStamp => None,
            Self::Mailbox => {
                mail::waits(settings, runs, memory, now).map(|why| format!("{name}: {why}"))
            }
        }
    }

    async fn hand_over(
        self,
        store: &Arc<SqlStore>,
        settings: &Settings,
        place: &str,
        row: &CheckpointRow,
    ) -> Result<()> {
        match self {
            Self::Webhook => webhook::post(store, settings, place, row).await,
            Self::TimeStamp => stamp::ask(store, settings, place, row).await,
            Self::Mailbox => mail::send(store, settings, place, row).await,
        }
    }
}

/// How one of those that are set fares.
#[derive(Clone, Debug)]
pub struct Standing {
    pub which: Elsewhere,
    pub place: String,
    /// When a checkpoint last arrived, and of how many leaves.
    pub last: Option<(Timestamp, String)>,
    /// The newest checkpoint arrived, or the one before it and the newest is on its way.
    pub works: bool,
}

impl Standing {
    /// What arrived last, in words.
    #[must_use]
    pub fn told(&self) -> String {
        let Some((at, leaves)) = &self.last else { return "no checkpoint has arrived yet".into() };
        let behind = if self.works { "" } else { "; newer ones did not arrive" };
        format!("{leaves} leaves arrived, {}{behind}", crate::print::when(*at))
    }
}

/// Which checkpoint it is, told by size and note.
fn mark(store: &SqlStore, row: &CheckpointRow) -> String {
    let mut digest = store.digest(row.note.as_bytes());
    digest.truncate(MARK_DIGITS);
    format!("{} {digest}", row.size)
}

/// How each fares that is set.
///
/// # Errors
/// When the database cannot be read.
pub async fn standings(store: &SqlStore, settings: &Settings) -> Result<Vec<Standing>> {
    let newest = store.last_checkpoint().await?;
    let runs = store.last_runs().await?;
    let now = store.now();
    let standing = |which: Elsewhere| {
        let place = which.place(settings)?.to_owned();
        let found = runs.iter().find(|(name, ..)| name == which.memory());
        let lag = which.may_lag(settings);
        let works = match (found, &newest) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((_, at, told)), Some(row)) => {
                let on_its_way = at.plus(lag) >= row.at && row.at.plus(lag) >= now;
                *told == mark(store, row) || on_its_way
            }
        };
        let last =
            found.map(|(_, at, mark)| (*at, mark.split(' ').next().unwrap_or_default().to_owned()));
        Some(Standing { which, place, last, works })
    };
    Ok(Elsewhere::ALL.into_iter().filter_map(standing).collect())
}

/// Hands the newest checkpoint to each that is set and has not got it; what came of it. A failure
/// stops nothing, and the next tick tries again.
///
/// # Errors
/// When one of them did not take it; the others were tried all the same.
pub async fn tell(store: &Arc<SqlStore>, settings: &Settings) -> Result<String> {
    let set = Elsewhere::ALL.into_iter().filter_map(|e| Some((e, e.place(settings)?)));
    let set: Vec<(Elsewhere, &str)> = set.collect();
    if set.is_empty() {
        let names = Elsewhere::ALL.map(Elsewhere::setting).join(" nor ");
        return Ok(format!("neither {names} is set"));
    }
    let Some(row) = store.last_checkpoint().await? else {
        return Ok("no checkpoint was signed yet".into());
    };
    let runs = store.last_runs().await?;
    let now = store.now();
    let at_rest = |(which, _): &(Elsewhere, &str)| which.rests(store, settings, &runs, &row, now);
    if let Some(told) = set.iter().map(at_rest).collect::<Option<Vec<String>>>() {
        return Ok(told.join("; "));
    }
    // each worker has a metronome
    if !store.begin_run(AT_WORK, PATIENCE).await? {
        return Ok("another process is at it".into());
    }
    let told = hand_to_each(store, settings, &set, &row).await;
    store.note_run(AT_WORK, "ended").await?;
    told
}

async fn hand_to_each(
    store: &Arc<SqlStore>,
    settings: &Settings,
    set: &[(Elsewhere, &str)],
    row: &CheckpointRow,
) -> Result<String> {
    let runs = store.last_runs().await?;
    let (mut told, mut failed) = (vec![], vec![]);
    for (which, place) in set {
        if let Some(why) = which.rests(store, settings, &runs, row, store.now()) {
            told.push(why);
            continue;
        }
        let handed = which.hand_over(store, settings, place, row).await;
        match handed.context(which.setting()) {
            Ok(()) => {
                store.note_run(which.memory(), &mark(store, row)).await?;
                told.push(format!(
                    "{}: the checkpoint of {} leaves arrived",
                    which.name(),
                    row.size
                ));
            }
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    match failed.is_empty() {
        true => Ok(told.join("; ")),
        false => bail!([failed, told].concat().join("; ")),
    }
}

fn time_limit(settings: &Settings) -> Duration {
    Duration::from_secs(settings.worker.call_timeout_seconds)
}

/// The one client, for one address.
fn client(store: &Arc<SqlStore>, settings: &Settings, url: &str) -> Result<Http> {
    let keyed = store.clone();
    let digest: Digest = Arc::new(move |bytes| keyed.digest(bytes));
    Ok(Http::new(HttpConfig {
        hosts: place_of(url).into_iter().collect(),
        allow_loopback: is_here(url),
        timeout: time_limit(settings),
        body_cap_bytes: BODY_CAP,
        digest,
    })?)
}

/// Whether an address is this machine's own.
fn is_here(url: &str) -> bool {
    let rest = HERE.iter().find_map(|here| url.strip_prefix(here));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
}

/// Scheme and host of an address, and its path.
fn base_and_path(url: &str) -> (&str, &str) {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    match url[scheme..].find('/') {
        Some(at) => url.split_at(scheme + at),
        None => (url, "/"),
    }
}

async fn send(http: &Http, request: &Request, now: Timestamp) -> Result<Reply> {
    let digest = http.digest(request);
    let (_, reply) = http.send(request, digest, now).await;
    let reply = reply?;
    if reply.is_2xx() { Ok(reply) } else { Err(reply.failure().into()) }
}
