//! The mailbox: the newest checkpoint's note as a mail, now and then. Who keeps their mail keeps
//! copies that nobody here can change.

use std::{
    error::Error as _,
    io,
    iter::successors,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use efface_core::Timestamp;
use efface_ledger::Checkpoint;
use efface_settings::{Ledger, Settings};
use efface_store::{CheckpointRow, SqlStore};
use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
        response::Response,
    },
};

use super::{Runs, mark, time_limit};

/// Under this name it is remembered that a server took a mail and did not say so.
const IN_DOUBT: &str = "anchor_mail_in_doubt";
/// So long nothing is sent then: a server that loses its answers would get a mail a minute.
const DOUBT_LASTS: Duration = Duration::from_secs(3600);

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    StartTls,
    Tls,
    /// This machine's own server alone.
    None,
}

/// When the next mail may go out, where that is not now.
#[must_use]
pub fn waits(settings: &Settings, runs: &Runs, memory: &str, now: Timestamp) -> Option<String> {
    let at = |job: &str| runs.iter().find(|(name, ..)| name == job).map(|(_, at, _)| *at);
    let later = |at: Option<Timestamp>, pause| at.map(|at| at.plus(pause)).filter(|to| *to > now);
    if let Some(to) = later(at(memory), every(settings)) {
        return Some(format!("the next goes out after {}", crate::print::when(to)));
    }
    let to = later(at(IN_DOUBT), DOUBT_LASTS)?;
    let when = crate::print::when(to);
    Some(format!("whether the last arrived is not known; the next goes out after {when}"))
}

/// The pause between two mails.
#[must_use]
pub fn every(settings: &Settings) -> Duration {
    Duration::from_secs(u64::from(settings.ledger.anchor_mail_every_hours) * 3600)
}

/// Mails a checkpoint.
///
/// # Errors
/// When the server did not take it, or did not say whether it did.
pub async fn send(
    store: &Arc<SqlStore>,
    settings: &Settings,
    server: &str,
    row: &CheckpointRow,
) -> Result<()> {
    let ledger = &settings.ledger;
    let mark = mark(store, row);
    let (from, to) = (
        address(ledger.anchor_mail_from.as_deref(), "from")?,
        address(ledger.anchor_mail_to.as_deref(), "to")?,
    );
    let mail = message(row, &mark, (&from, &to), store.now())?;
    let limit = time_limit(settings);
    let silent =
        |_| anyhow!("{server} did not answer within {} s; nothing was sent", limit.as_secs());
    let offered = tokio::time::timeout(limit, offer(ledger, server, limit, (from, to)));
    let mut connection = offered.await.map_err(silent)??;
    let sent = tokio::time::timeout(limit, connection.message(&mail)).await;
    let doubt = match sent {
        Ok(Ok(_)) => {
            // it was taken, whatever becomes of the farewell
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.quit()).await;
            return Ok(());
        }
        Ok(Err(error)) if error.status().is_some() => {
            return Err(refused(server, "the mail")(error));
        }
        Ok(Err(_)) => "broke off",
        Err(_) => "fell silent",
    };
    store.note_run(IN_DOUBT, &mark).await?;
    bail!("{server} {doubt} after the mail was sent: whether it arrived is not known")
}

/// Up to the moment from which on the mail itself may be sent.
async fn offer(
    ledger: &Ledger,
    server: &str,
    limit: Duration,
    (from, to): (Address, Address),
) -> Result<AsyncSmtpConnection> {
    let security = match ledger.anchor_mail_security.as_str() {
        "tls" => Security::Tls,
        "none" => Security::None,
        _ => Security::StartTls,
    };
    let (host, _) = server.rsplit_once(':').context("the server has no port")?;
    let host = host.trim_matches(['[', ']']);
    let tls = || TlsParameters::new(host.to_owned()).context("TLS cannot be set up here");
    let mut places: Vec<SocketAddr> = tokio::net::lookup_host(server)
        .await
        .map_err(|_| anyhow!("{server}: the name is not found"))?
        .collect();
    if security == Security::None {
        places.retain(|place| place.ip().to_canonical().is_loopback());
    }
    let me = ClientId::default();
    let at_once = if security == Security::Tls { Some(tls()?) } else { None };
    let connected =
        AsyncSmtpConnection::connect_tokio1(&places[..], Some(limit), &me, at_once, None);
    let mut connection = connected.await.map_err(refused(server, "the connection"))?;
    if security == Security::StartTls {
        ensure!(
            connection.can_starttls(),
            "{server} offers no STARTTLS; nothing was sent (ledger.anchor_mail_security = \"tls\" is for servers that begin with TLS, often at port 465)"
        );
        connection.starttls(tls()?, &me).await.map_err(refused(server, "TLS"))?;
    }
    if let (Some(user), Some(password)) = (&ledger.anchor_mail_user, &ledger.anchor_mail_password) {
        let who = Credentials::new(user.clone(), password.expose().to_owned());
        let login = connection.auth(DEFAULT_MECHANISMS, &who).await;
        login.map_err(refused(server, "ledger.anchor_mail_user and its password"))?;
    }
    let mail = connection.command(Mail::new(Some(from), vec![])).await;
    step(mail, server, "ledger.anchor_mail_from")?;
    let recipient = connection.command(Rcpt::new(to, vec![])).await;
    step(recipient, server, "ledger.anchor_mail_to")?;
    step(connection.command(Data).await, server, "the mail")?;
    Ok(connection)
}

fn step(answer: Result<Response, Error>, server: &str, what: &'static str) -> Result<()> {
    answer.map(drop).map_err(refused(server, what))
}

/// What went wrong, without the server's words: they may repeat an address.
fn refused<'a>(server: &'a str, what: &'static str) -> impl Fn(Error) -> anyhow::Error + 'a {
    move |error| match error.status() {
        Some(code) => anyhow!("{server} refused {what}: SMTP {code}"),
        None if is_untrusted(&error) => anyhow!(
            "{server} could not prove who it is: its certificate is not valid here for this name"
        ),
        None if error.is_client() => {
            anyhow!("{server} offers no way to log in that is known here (PLAIN, LOGIN)")
        }
        None if error.is_response() => anyhow!("{server} does not speak SMTP as documented"),
        None => anyhow!("{server}: {what} failed: the connection was refused or broke off"),
    }
}

/// Whether the handshake ended at the server's certificate.
fn is_untrusted(error: &Error) -> bool {
    let mut causes = successors(error.source(), |&cause| cause.source());
    let io = causes.find_map(|cause| cause.downcast_ref::<io::Error>());
    let tls = io.and_then(io::Error::get_ref).and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

fn address(text: Option<&str>, which: &str) -> Result<Address> {
    let wrong = || anyhow!("ledger.anchor_mail_{which} is not set, or no mail address");
    text.and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

/// Plain text: the note and nothing else. Its id follows from the checkpoint, so that a mail that
/// comes twice is known for one.
fn message(
    row: &CheckpointRow,
    mark: &str,
    (from, to): (&Address, &Address),
    now: Timestamp,
) -> Result<Vec<u8>> {
    let checkpoint = Checkpoint::unproven(&row.note)?;
    let id = format!("<efface.{}@{}>", mark.replace(' ', "."), from.domain());
    let day = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default());
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mail = Message::builder()
        .from(Mailbox::new(None, from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .date(day)
        .message_id(Some(id))
        .subject(format!("efface checkpoint of {}: {} leaves", checkpoint.origin, row.size))
        .raw_header(HeaderValue::new(name, "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(row.note.clone())
        .context("the mail cannot be written")?;
    Ok(mail.formatted())
}
