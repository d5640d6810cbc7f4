//! What makes a row this row: the text whose keyed hash the store remembers, so that the same row is
//! never filed twice.

use std::fmt::Write as _;

use efface_core::{Identifier, Scope, subject::Value};
use efface_store::NewRequest;

/// Writes down what makes this row this row. Dates left open are left out: tomorrow the same row is
/// still the same row.
pub fn write_meaning(into: &mut String, new: &NewRequest) {
    into.clear();
    let mut put = |name: &str, text: &str| {
        // lengths, so that no text can pass for the end of another; a String takes every write
        let _ = writeln!(into, "{name} {} {text}", text.len());
    };
    put("import row", "1");
    put("action", new.action.word());
    put("scope", new.scope.map_or("", Scope::word));
    let mut order: Vec<&Identifier> = new.identifiers.iter().collect();
    order.sort_by(|a, b| (&a.kind, a.normal.expose()).cmp(&(&b.kind, b.normal.expose())));
    for identifier in order {
        put(&identifier.kind.word(), identifier.normal.expose());
    }
    put("relation", new.requester.relation.word());
    let contact = new.requester.contact.as_ref();
    let received_on = new.received_on.map(|d| d.to_string());
    for (name, text) in [
        ("contact", contact.map(Value::expose)),
        ("language", new.requester.language.as_deref()),
        ("proof", new.proof.as_ref().map(|p| p.how.as_str())),
        ("received_on", received_on.as_deref()),
        ("regime", new.regime.as_deref()),
        ("channel", new.channel.as_deref()),
        ("reference", new.external_reference.as_deref()),
        ("note", new.note.as_deref()),
    ] {
        if let Some(text) = text {
            put(name, text);
        }
    }
}
