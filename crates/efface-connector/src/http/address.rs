//! Which addresses may be called at all.

use std::net::{IpAddr, SocketAddr};

use super::cause::NameFailure;

/// Resolves names and drops every answer that is not a public address.
pub(super) struct Resolver {
    pub(super) allow_loopback: bool,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let allow_loopback = self.allow_loopback;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<SocketAddr> = found.map_err(|_| NameFailure::NotFound)?.collect();
            if !found.iter().all(|a| is_public(a.ip()) || (allow_loopback && a.ip().is_loopback()))
            {
                return Err(NameFailure::NotPublic.into());
            }
            let addresses: reqwest::dns::Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
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
            let tunnel_or_doc = a == 0x2002
                || (a == 0x2001
                    && (b == 0 || b == 0xdb8 || (b & 0xfff0) == 0x10 || (b & 0xfff0) == 0x20))
                || (a & 0xfff0) == 0x3ff0;
            global_unicast && !tunnel_or_doc
        }
    }
}
