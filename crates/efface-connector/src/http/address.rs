//! Which addresses may be called at all: the URL is looked at before the call, and what its name
//! resolves to when the connection is made, so that nothing can change between the two.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use url::{Host, Url};

use super::{Plain, cause::NameFailure};
use crate::ConnectorError;

/// The addresses of a name.
pub(super) type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Where names are looked up.
pub(super) trait Names: Send + Sync {
    fn look_up(&self, name: &str) -> Found;
}

/// The resolver of this machine.
pub(super) struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: &str) -> Found {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves names, and refuses a name when a single one of its addresses may not be called.
pub(super) struct Resolver {
    pub(super) names: Arc<dyn Names>,
    pub(super) allow_loopback: bool,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let found = self.names.look_up(name.as_str());
        let here = is_local_name(name.as_str());
        let allow_loopback = self.allow_loopback;
        Box::pin(async move {
            let found = found.await.map_err(|_| NameFailure::NotFound)?;
            if found.is_empty() {
                return Err(NameFailure::NotFound.into());
            }
            let may = |ip: &IpAddr| match ip.to_canonical().is_loopback() {
                true => allow_loopback,
                // plain http is spoken to this machine's own names: they lead nowhere else
                false => is_public(*ip) && !here,
            };
            if !found.iter().all(may) {
                return Err(NameFailure::NotPublic.into());
            }
            // the client puts the URL's port in the place of the zero
            let all = found.into_iter().map(|ip| SocketAddr::new(ip, 0));
            let addresses: reqwest::dns::Addrs = Box::new(all);
            Ok(addresses)
        })
    }
}

/// Scheme, host and port, and literal addresses; names are filtered again when they are resolved.
pub(super) fn check(
    url: &Url,
    hosts: &[String],
    allow_loopback: bool,
    plain: Plain,
) -> Result<(), ConnectorError> {
    let refuse = |why: &str| {
        let host = url.host_str().unwrap_or("?");
        Err(ConnectorError::settings(format!("{}://{host}: {why}", url.scheme())))
    };
    if !matches!(url.scheme(), "https" | "http") {
        return refuse("only https is allowed");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("credentials do not belong into a URL");
    }
    let name = match url.host() {
        Some(host) if is_here(&host) => {
            return match allow_loopback {
                true => Ok(()),
                false => refuse(
                    "this machine instead of the vendor (loopback needs allow_loopback = true, for development)",
                ),
            };
        }
        Some(Host::Domain(name)) => name,
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => {
            return refuse("an address instead of the vendor's host name");
        }
        None => return refuse("there is no host"),
    };
    let usual_port = match (url.scheme(), plain) {
        ("https", _) => 443,
        (_, Plain::Allowed) => 80,
        (_, Plain::Refused) => return refuse("only https is allowed"),
    };
    let split = |entry| split(entry, usual_port);
    let mut listed = hosts.iter().filter(|entry| is_meant(split(entry).0, name)).peekable();
    if listed.peek().is_none() {
        return refuse("this host is not on the connector's list");
    }
    let port = url.port_or_known_default();
    if listed.any(|entry| Some(split(entry).1) == port) {
        return Ok(());
    }
    refuse("this port is not the vendor's: 443, or the one that base_url names")
}

/// The host of an account's own `base_url` as [`super::HttpConfig::hosts`] takes it, with its port
/// where it names one.
#[must_use]
pub fn place_of(base_url: &str) -> Option<String> {
    let url = Url::parse(base_url).ok()?;
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Name and port of an entry of the list.
fn split(entry: &str, usual_port: u16) -> (&str, u16) {
    match entry.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, port),
        _ => (entry, usual_port),
    }
}

fn is_meant(allowed: &str, name: &str) -> bool {
    match allowed.strip_prefix("*.") {
        Some(parent) => {
            name.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
        None => name == allowed,
    }
}

fn is_here(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_local_name(name),
        Host::Ipv4(v4) => v4.is_loopback(),
        Host::Ipv6(v6) => IpAddr::V6(*v6).to_canonical().is_loopback(),
    }
}

/// A name of this machine by definition (RFC 6761 §6.3), whatever a resolver says.
fn is_local_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether an address belongs to the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && (c == 0 || c == 2))
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
                || (a == 198 && b == 51 && c == 100)
                || (a == 203 && b == 0 && c == 113);
            !(special
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast())
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            let global_unicast = (a & 0xe000) == 0x2000;
            // 6to4; 2001::/23 (Teredo, benchmarks, ORCHID and what else IETF protocols took) and
            // 2001:db8::/32; 3fff::/20
            let tunnel_or_doc =
                a == 0x2002 || (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || (a & 0xfff0) == 0x3ff0;
            global_unicast && !tunnel_or_doc
        }
    }
}
