//! The shapes of texts. A refusal says what is wanted and quotes nothing.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::net::{Ipv6Addr, SocketAddr};
use url::Url;

type Checked = Result<(), String>;

fn wants(fits: bool, wanted: &str) -> Checked {
    if fits {
        return Ok(());
    }
    Err(format!("is not {wanted}"))
}

fn within(text: &str, most: usize, also: &[u8]) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b);
    (1..=most).contains(&text.len()) && text.bytes().all(fits)
}

pub(crate) fn any(_text: &str) -> Checked {
    Ok(())
}

pub(crate) fn not_empty(text: &str) -> Checked {
    match text.trim() {
        "" => Err("is empty".to_owned()),
        _ => Ok(()),
    }
}

/// `[a-z0-9][a-z0-9-]{0,62}`
pub(crate) fn is_id(text: &str) -> bool {
    within(text, 63, b"-") && !text.starts_with('-')
}

pub(crate) fn id(text: &str) -> Checked {
    wants(is_id(text), "an id: 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit")
}

pub(crate) fn word(text: &str) -> Checked {
    wants(
        within(text, 63, b"_") && text.as_bytes()[0].is_ascii_lowercase(),
        "a name of a-z, 0-9 and _, as `connector show` prints it",
    )
}

/// A kind of identifier: a word of ours, or a vendor's own id in that vendor's namespace.
pub(crate) fn identifier_kind(text: &str) -> Checked {
    wants(
        match text.strip_prefix("vendor:") {
            Some(namespace) => within(namespace, 63, b"-_"),
            None => word(text).is_ok(),
        },
        "an identifier kind such as `email`, `user_id` or `vendor:<namespace>`, as `connector show` prints it",
    )
}

pub(crate) fn worker_name(text: &str) -> Checked {
    wants(
        text.is_empty() || within(&text.to_ascii_lowercase(), 128, b"-._"),
        "a worker name: letters, digits, -, . and _, or empty for the host name",
    )
}

pub(crate) fn local_part(text: &str) -> Checked {
    wants(
        !text.is_empty() && !text.contains('@') && !text.contains(char::is_whitespace),
        "the part of an address before the @, for example `info`",
    )
}

pub(crate) fn email(text: &str) -> Checked {
    let fits = text.rsplit_once('@').is_some_and(|(local, host)| {
        local_part(local).is_ok() && !host.is_empty() && !host.contains(char::is_whitespace)
    });
    wants(fits, "a mail address")
}

pub(crate) fn domain(text: &str) -> Checked {
    let label = |l: &str| within(&l.to_lowercase(), 63, b"-") || !l.is_ascii();
    wants(
        text.contains('.') && text.split('.').all(label) && !text.contains(['@', '/', ':', ' ']),
        "a mail domain such as `example.org`",
    )
}

pub(crate) fn database_url(text: &str) -> Checked {
    let known = ["sqlite:", "postgres://", "postgresql://"];
    wants(
        known.iter().any(|k| text.starts_with(k)),
        "a database address: sqlite://file or postgres://user@host/name",
    )
}

pub(crate) fn listen(text: &str) -> Checked {
    wants(
        text.parse::<SocketAddr>().is_ok(),
        "an address and port such as 127.0.0.1:8080 or [::1]:8080",
    )
}

pub(crate) fn log_format(text: &str) -> Checked {
    wants(matches!(text, "text" | "json"), "`text` or `json`")
}

pub(crate) fn cron(text: &str) -> Checked {
    if text == "off" {
        return Ok(());
    }
    let fields = text.split_whitespace().count();
    if !(6..=7).contains(&fields) {
        return Err(format!(
            "has {fields} fields where a cron expression here has 6 or 7 (second minute hour day month weekday [year]), or is `off`"
        ));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || " \t*/,-?".contains(c);
    wants(text.chars().all(fits), "a cron expression: fields hold digits, names, * / , - and ?")
}

pub(crate) fn time_zone(text: &str) -> Checked {
    wants(
        jiff::tz::TimeZone::get(text).is_ok(),
        "an IANA time zone such as Europe/Paris or America/New_York",
    )
}

pub(crate) fn region(text: &str) -> Checked {
    wants(
        text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()),
        "a country in two capital letters, such as FR",
    )
}

pub(crate) fn base_url(text: &str) -> Checked {
    // a reader of URLs takes these out, or takes them for something else
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("holds a blank or a backslash, which a URL cannot have".to_owned());
    }
    let Ok(url) = Url::parse(text) else {
        return wants(false, "a URL such as https://api.example.com");
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return wants(false, "an https:// URL with a host");
    }
    if has_userinfo(&url) {
        return Err("holds a user or password, which belong into settings of their own".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a query or fragment, which a base URL cannot have".to_owned());
    }
    Ok(())
}

/// A host with its port.
pub(crate) fn host_and_port(text: &str) -> Checked {
    let fits = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_name = within(&host.to_ascii_lowercase(), 253, b"-.");
        let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_v6 = v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok());
        (is_name || is_v6) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    wants(fits, "a host and port such as smtp.example.com:587")
}

pub(crate) fn mail_security(text: &str) -> Checked {
    wants(matches!(text, "starttls" | "tls" | "none"), "`starttls`, `tls` or `none`")
}

/// As Standard Webhooks has it: 24 to 64 bytes.
pub(crate) fn webhook_secret(text: &str) -> Checked {
    let key = text.strip_prefix("whsec_").and_then(|key| BASE64_STANDARD.decode(key).ok());
    wants(
        key.is_some_and(|key| (24..=64).contains(&key.len())),
        "`whsec_` and 24 to 64 random bytes in base64, as `echo whsec_$(openssl rand -base64 32)` makes one",
    )
}

/// Where traces go: over TLS, unless the collector is on this machine.
pub(crate) fn collector(text: &str) -> Checked {
    base_url(text)?;
    let local = |url: &Url| match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let safe = Url::parse(text).is_ok_and(|url| url.scheme() == "https" || local(&url));
    wants(safe, "an https:// URL; http:// is for a collector on this machine")
}

pub(crate) fn header_value(text: &str) -> Checked {
    let fits = !text.trim().is_empty() && text.chars().all(|c| matches!(c, ' '..='~'));
    wants(fits, "the value of a header: printable ASCII on one line")
}

pub(crate) fn has_userinfo(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}
