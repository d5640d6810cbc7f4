//! People and their requests.

use efface_core::{Identifier, IdentifierKind, Provenance, RequestAction};
use efface_store::{NewRequest, Proof};

use super::{controller, scope_of};

pub fn proof() -> Proof {
    Proof { how: "account login".into(), by: "ada the agent".into() }
}

fn parse(kind: IdentifierKind, text: &str, provenance: Provenance) -> Identifier {
    Identifier::parse(kind, text, provenance, None).expect("identifier")
}

fn is_proved() -> Provenance {
    Provenance::Proved { how: "account login".into(), by: "ada the agent".into() }
}

/// A proved e-mail address.
pub fn email(name: &str) -> Identifier {
    parse(IdentifierKind::Email, &format!("{name}@example.org"), is_proved())
}

/// An e-mail address as somebody typed it, proved.
pub fn typed_email(text: &str) -> Identifier {
    parse(IdentifierKind::Email, text, is_proved())
}

/// A proved telephone number; the same for the same two digits.
pub fn phone(digits: u8) -> Identifier {
    parse(IdentifierKind::Phone, &format!("+4420794609{digits:02}"), is_proved())
}

/// A proved user id.
pub fn user(text: &str) -> Identifier {
    parse(IdentifierKind::UserId, text, is_proved())
}

/// Told, not proved.
pub fn stated(mut identifier: Identifier) -> Identifier {
    identifier.provenance = Provenance::Stated;
    identifier
}

/// An identified request, not yet released.
pub fn wish(action: RequestAction, identifiers: Vec<Identifier>) -> NewRequest {
    NewRequest {
        scope: scope_of(action),
        proof: Some(proof()),
        ..NewRequest::new(controller("default"), action, identifiers, "the filer")
    }
}

pub fn erase(identifiers: Vec<Identifier>) -> NewRequest {
    wish(RequestAction::Erase, identifiers)
}

pub fn suppress(identifiers: Vec<Identifier>) -> NewRequest {
    wish(RequestAction::Suppress, identifiers)
}

/// Nothing proves who it is.
pub fn unproved(new: NewRequest) -> NewRequest {
    let identifiers = new.identifiers.into_iter().map(stated).collect();
    NewRequest { proof: None, identifiers, ..new }
}

pub fn released(new: NewRequest) -> NewRequest {
    NewRequest { release_by: Some("the releaser".into()), ..new }
}

pub fn of_controller(name: &str, new: NewRequest) -> NewRequest {
    NewRequest { controller: controller(name), ..new }
}
