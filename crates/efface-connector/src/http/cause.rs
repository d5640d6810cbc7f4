//! Why there is no reply, in fixed words: host and port stand in the settings, the path is the
//! template, and nothing that a vendor or a network wrote is repeated.

use std::{error::Error as StdError, fmt, io, time::Duration};

use url::Url;

use crate::ConnectorError;

/// A name that leads nowhere we may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameFailure {
    NotFound,
    NotPublic,
}

impl fmt::Display for NameFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "the name cannot be resolved (DNS)",
            Self::NotPublic => "the name resolves to an address that is not public",
        })
    }
}

impl StdError for NameFailure {}

/// A failure without a reply: before the first byte it is definite, later it is not. A vendor that
/// cannot prove who it is, or speaks nothing safe, is no matter of trying again.
pub(super) fn no_reply(
    error: &reqwest::Error,
    url: &Url,
    template: &str,
    limit: Duration,
) -> ConnectorError {
    let place = place(url);
    if let Some(tls) = tls(error)
        && let Some(what_to_do) = remedy(tls)
    {
        let why = of_tls(tls);
        return ConnectorError::settings(format!(
            "no connection to {place} for {template}: TLS: {why}; {what_to_do}"
        ));
    }
    if error.is_connect() || error.is_builder() {
        let why = why(error);
        ConnectorError::Retryable {
            what: format!("no connection to {place} for {template}: {why}"),
            retry_after: None,
        }
    } else if error.is_timeout() {
        let seconds = limit.as_secs_f32();
        ConnectorError::unknown(format!("no answer from {place} to {template} within {seconds} s"))
    } else {
        let why = why(error);
        ConnectorError::unknown(format!("the connection to {place} broke during {template}: {why}"))
    }
}

/// Host and port; never path or query, in which a person may stand.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What TLS itself had to say, if it was that.
fn tls<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // what an io::Error carries is no source of it
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| tls(inner)) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// What a person can do about it; `None` where it may pass by itself.
const fn remedy(error: &rustls::Error) -> Option<&'static str> {
    use rustls::{AlertDescription as A, CertificateError as C, Error as E};
    match error {
        E::InvalidCertificate(certificate) => Some(match certificate {
            C::UnknownIssuer => {
                "if that is meant, put its root into this machine's certificate store; else ask the vendor"
            }
            C::NotValidForName | C::NotValidForNameContext { .. } => {
                "check base_url and region, and that no proxy stands between"
            }
            _ => "check this machine's clock, and ask the vendor to renew it",
        }),
        E::NoCertificatesPresented
        | E::PeerIncompatible(_)
        | E::AlertReceived(
            A::ProtocolVersion
            | A::InsufficientSecurity
            | A::CertificateRequired
            | A::UnrecognisedName,
        ) => Some("check base_url; the vendor has to offer TLS 1.2 or newer under this name"),
        _ => None,
    }
}

/// The deepest cause that has words of its own.
fn why(error: &reqwest::Error) -> String {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut found = None;
    while let Some(cause) = next {
        found = named(cause).or(found);
        next = cause.source();
    }
    found.unwrap_or_else(|| {
        let words = if error.is_timeout() { "it took too long" } else { "the network failed" };
        words.to_owned()
    })
}

fn named(cause: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(name) = cause.downcast_ref::<NameFailure>() {
        return Some(name.to_string());
    }
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(format!("TLS: {}", of_tls(tls)));
    }
    let io = cause.downcast_ref::<io::Error>()?;
    // what an io::Error carries is no source of it
    let inner = io.get_ref().and_then(|inner| named(inner));
    inner.or_else(|| of_io(io.kind()).map(str::to_owned))
}

fn of_tls(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as C, Error as E};
    match error {
        E::InvalidCertificate(certificate) => match certificate {
            C::Expired | C::ExpiredContext { .. } => "the certificate has expired",
            C::NotValidYet | C::NotValidYetContext { .. } => {
                "the certificate is not valid yet; is this machine's clock right?"
            }
            C::UnknownIssuer => {
                "the certificate's issuer is not known here; does a proxy stand between?"
            }
            C::NotValidForName | C::NotValidForNameContext { .. } => {
                "the certificate is for another name"
            }
            C::Revoked => "the certificate was revoked",
            _ => "the certificate is not accepted",
        },
        E::AlertReceived(rustls::AlertDescription::ProtocolVersion) => {
            "the other side speaks no version that is safe"
        }
        E::AlertReceived(_) => "the other side refused the handshake",
        E::InvalidMessage(_) => "the other side does not speak TLS",
        E::PeerIncompatible(_) => "the other side offers no version or cipher that is safe",
        _ => "the handshake failed",
    }
}

const fn of_io(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some("refused"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Some("the other side hung up (reset)")
        }
        io::ErrorKind::ConnectionAborted => Some("aborted"),
        io::ErrorKind::UnexpectedEof => Some("the other side hung up"),
        io::ErrorKind::TimedOut => Some("it took too long"),
        io::ErrorKind::HostUnreachable => Some("the host cannot be reached"),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Some("there is no network to it")
        }
        io::ErrorKind::AddrNotAvailable => Some("this machine has no address or port left for it"),
        io::ErrorKind::PermissionDenied => Some("this machine does not permit it (a firewall?)"),
        _ => None,
    }
}
