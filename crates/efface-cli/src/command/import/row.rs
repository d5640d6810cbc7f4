//! From the cells of a row to a request. What is refused is told without repeating a cell: in a
//! file whose columns have slipped any cell may hold a person.

use std::sync::Arc;

use efface_core::{
    ControllerId, Identifier, IdentifierKind, Provenance, RequestAction, Scope, deadline,
    subject::{Relation, Requester, Value},
};
use efface_store::{NewRequest, Proof, SqlStore, Store as _};
use jiff::civil::Date;

use super::{
    columns::{Column, Field},
    meaning::write_meaning,
    reader::ReadRow,
};

/// What holds for rows whose own cell is empty.
#[derive(Clone, Debug)]
pub struct Defaults {
    pub action: Option<RequestAction>,
    pub scope: Option<Scope>,
    pub controller: ControllerId,
    pub proof: Option<String>,
    pub received_on: Option<Date>,
    pub regime: Option<String>,
    pub channel: Option<String>,
}

/// A controller a row may name.
#[derive(Clone, Debug)]
pub struct KnownController {
    pub id: ControllerId,
    pub today: Date,
    pub default_phone_region: Option<String>,
}

/// What tells two rows apart, for the store to remember without keeping it.
pub type Key = Box<dyn Fn(&ControllerId, &str) -> [u8; 32] + Send>;

/// Turns rows into requests.
pub struct Rows {
    defaults: Defaults,
    controllers: Vec<KnownController>,
    due_days: u16,
    actor: String,
    key: Key,
    /// The row's meaning, rewritten for each row.
    meaning: String,
}

impl Rows {
    /// For the controllers the store knows.
    #[must_use]
    pub fn of(store: &Arc<SqlStore>, defaults: Defaults, actor: &str) -> Self {
        let directory = store.directory();
        let now = store.now();
        let known = directory.controllers.iter().map(|(id, rules)| KnownController {
            id: id.clone(),
            today: now.date_in(&rules.zone),
            default_phone_region: rules.default_phone_region.clone(),
        });
        let controllers = known.collect();
        let due_days = directory.policy.due_days;
        let store = store.clone();
        let key = Box::new(move |id: &ControllerId, text: &str| store.filing_key(id, text));
        Self {
            defaults,
            controllers,
            due_days,
            actor: actor.to_owned(),
            key,
            meaning: String::new(),
        }
    }

    fn request<'a>(
        &mut self,
        columns: &[Column],
        cells: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<NewRequest, String> {
        let mut fields: [Option<&str>; Field::ALL.len()] = [None; Field::ALL.len()];
        for (column, cell) in columns.iter().zip(cells.clone()) {
            let cell = cell.trim();
            if let (Column::Field(field), false) = (column, cell.is_empty()) {
                fields[*field as usize] = Some(plain(*field, cell)?);
            }
        }
        let field = |f: Field| fields[f as usize];
        let owned = |f: Field| field(f).map(str::to_owned);

        let controller = self.controller(field(Field::Controller))?;
        let (action, scope) = self.wish(field(Field::Action), field(Field::Scope))?;
        let received_on = match field(Field::ReceivedOn) {
            Some(text) => Some(date(text)?),
            None => self.defaults.received_on,
        };
        if let Some(day) = received_on {
            deadline::provisional_due(day, controller.today, self.due_days)
                .map_err(|e| e.to_string())?;
        }
        let identifiers = identifiers(columns, cells, controller.default_phone_region.as_deref())?;
        let relation = match field(Field::RequesterRelation) {
            Some(text) => word(text, Field::RequesterRelation, &Relation::ALL, Relation::word)?,
            None => Relation::Oneself,
        };
        let proof = owned(Field::Proof).or_else(|| self.defaults.proof.clone());
        let mut new = NewRequest::new(controller.id.clone(), action, identifiers, &self.actor);
        new.scope = scope;
        new.proof = proof.map(|how| Proof { how, by: self.actor.clone() });
        new.requester = Requester {
            relation,
            contact: field(Field::RequesterContact).map(Value::new),
            language: owned(Field::Language),
            authority: None,
        };
        new.received_on = received_on;
        new.regime = owned(Field::Regime).or_else(|| self.defaults.regime.clone());
        new.channel = owned(Field::Channel).or_else(|| self.defaults.channel.clone());
        new.external_reference = owned(Field::ExternalReference);
        new.note = owned(Field::Note);
        write_meaning(&mut self.meaning, &new);
        new.filing_key = Some((self.key)(&new.controller, &self.meaning));
        Ok(new)
    }

    fn controller(&self, cell: Option<&str>) -> Result<&KnownController, String> {
        let id = cell.unwrap_or(self.defaults.controller.as_str());
        self.controllers.iter().find(|c| c.id.as_str() == id).ok_or_else(|| {
            let known: Vec<&str> = self.controllers.iter().map(|c| c.id.as_str()).collect();
            format!(
                "controller is none of those in the settings that have a time zone ({})",
                known.join(", ")
            )
        })
    }

    fn wish(
        &self,
        action: Option<&str>,
        scope: Option<&str>,
    ) -> Result<(RequestAction, Option<Scope>), String> {
        let action = match action {
            Some(text) => word(text, Field::Action, RequestAction::ALL, RequestAction::word)?,
            None => self.defaults.action.ok_or("action is empty, and there is no --action")?,
        };
        let scope = match scope {
            Some(text) => Some(word(text, Field::Scope, Scope::ALL, Scope::word)?),
            None => self.defaults.scope.filter(|_| action.needs_scope()),
        };
        Ok((action, scope))
    }
}

impl ReadRow for Rows {
    type Row = NewRequest;

    fn read<'a>(
        &mut self,
        columns: &[Column],
        cells: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<NewRequest, String> {
        self.request(columns, cells)
    }
}

/// One of some words, in any case and with blanks or dashes for underscores.
fn word<T: Copy>(
    text: &str,
    field: Field,
    all: &[T],
    of: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b) || (b == b'_' && matches!(a, b' ' | b'-'));
    let fits = |t: &&T| {
        let word = of(**t);
        word.len() == text.len() && text.bytes().zip(word.bytes()).all(|(a, b)| same(a, b))
    };
    all.iter().find(fits).copied().ok_or_else(|| {
        let offered: Vec<&str> = all.iter().map(|t| of(*t)).collect();
        format!("{} is none of: {}", field.word(), offered.join(", "))
    })
}

fn date(text: &str) -> Result<Date, String> {
    let read = crate::command::request::file::date(text);
    read.map_err(|why| format!("received_on is {why}"))
}

/// A field's text; a note may have lines, anything else is one.
fn plain(field: Field, text: &str) -> Result<&str, String> {
    let may_break = |c: char| field == Field::Note && matches!(c, '\n' | '\r' | '\t');
    if text.chars().any(|c| c.is_control() && !may_break(c)) {
        return Err(format!("{} holds a line break or another control character", field.word()));
    }
    Ok(text)
}

pub(super) fn identifiers<'a>(
    columns: &[Column],
    cells: impl Iterator<Item = &'a str>,
    region: Option<&str>,
) -> Result<Vec<Identifier>, String> {
    let mut found: Vec<Identifier> = vec![];
    for (column, cell) in columns.iter().zip(cells) {
        let Column::Identifier(kind) = column else { continue };
        let cell = cell.trim();
        if cell.is_empty() {
            continue;
        }
        if cell.contains(';') {
            return Err(format!(
                "{kind} holds a `;`: one bare value per cell; further ones go into columns of their own, such as {kind}_2"
            ));
        }
        if is_spoiled(kind, cell) {
            return Err(format!(
                "{kind} was spoiled by a spreadsheet (an error sign, or a number cut short to 1.2E+11); export the column as text"
            ));
        }
        let read = Identifier::parse(kind.clone(), cell, Provenance::Stated, region)
            .map_err(|e| e.to_string())?;
        if !found.iter().any(|i| i.kind == read.kind && i.normal == read.normal) {
            found.push(read);
        }
    }
    if found.is_empty() {
        return Err("no identifier: every cell that could hold one is empty".into());
    }
    Ok(found)
}

/// `1.23457E+11`, `#N/A`: an id that is no longer the one it was.
fn is_spoiled(kind: &IdentifierKind, cell: &str) -> bool {
    if matches!(kind, IdentifierKind::Email) {
        return false;
    }
    if cell.starts_with('#') {
        return matches!(
            cell.trim_end_matches(['!', '?']),
            "#REF" | "#N/A" | "#VALUE" | "#NAME" | "#NUM" | "#DIV/0" | "#NULL"
        );
    }
    let Some((number, power)) = cell.split_once("E+").or_else(|| cell.split_once("e+")) else {
        return false;
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    digits(power) && digits(&number.replacen(['.', ','], "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::import::columns::Naming;
    use jiff::civil::date;

    fn rows() -> Rows {
        let id = ControllerId::new("default").expect("a name");
        Rows {
            defaults: Defaults {
                action: Some(RequestAction::Erase),
                scope: None,
                controller: id.clone(),
                proof: None,
                received_on: None,
                regime: None,
                channel: Some("import".into()),
            },
            controllers: vec![KnownController {
                id,
                today: date(2026, 11, 22),
                default_phone_region: Some("DE".into()),
            }],
            due_days: 30,
            actor: "tester".into(),
            key: Box::new(|_, text| {
                let mut key = [0u8; 32];
                text.bytes()
                    .enumerate()
                    .for_each(|(n, b)| key[n % 32] = key[n % 32].wrapping_mul(31) ^ b);
                key
            }),
            meaning: String::new(),
        }
    }

    fn read(cells: &[(&str, &str)]) -> Result<NewRequest, String> {
        let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
        let columns = Naming::default().layout(&names).expect("a good header");
        rows().read(&columns, cells.iter().map(|(_, cell)| *cell))
    }

    fn check(cells: &[(&str, &str)], want: Result<&str, &str>) {
        let told = read(cells).map(|new| {
            let ids: Vec<String> = new
                .identifiers
                .iter()
                .map(|i| format!("{}={}", i.kind, i.normal.expose()))
                .collect();
            let scope = new.scope.map_or("-", Scope::word);
            let proof = new.proof.map_or_else(|| "-".into(), |p| p.how);
            format!("{} {scope} {proof} {}", new.action, ids.join(" "))
        });
        match want {
            Ok(want) => assert_eq!(told.as_deref(), Ok(want), "{cells:?}"),
            Err(part) => {
                assert!(told.as_ref().is_err_and(|e| e.contains(part)), "{cells:?}: {told:?}")
            }
        }
    }

    #[test]
    fn rows_become_requests() {
        check(&[("email", " Ada@Example.org ")], Ok("erase - - email=ada@example.org"));
        check(
            &[("email", "a@b.de"), ("email_2", "c@d.de"), ("email_3", "")],
            Ok("erase - - email=a@b.de email=c@d.de"),
        );
        check(&[("email", "a@b.de"), ("email_2", "A@B.de")], Ok("erase - - email=a@b.de"));
        check(&[("phone", "030 901820")], Ok("erase - - phone=+4930901820"));
        check(
            &[("email", "a@b.de"), ("action", "Erase and Suppress"), ("scope", "sale-or-sharing")],
            Ok("erase_and_suppress sale_or_sharing - email=a@b.de"),
        );
        check(
            &[("user_id", "U-7"), ("vendor:hubspot", "51"), ("proof", "account login")],
            Ok("erase - account login user_id=U-7 vendor:hubspot=51"),
        );
        check(
            &[("email", "a@b.de"), ("note", "two\nlines"), ("received_on", "2026-11-20")],
            Ok("erase - - email=a@b.de"),
        );
    }

    #[test]
    fn rows_are_refused_with_the_reason() {
        check(&[("email", "")], Err("no identifier"));
        check(&[("email", "ada")], Err("email is not an address"));
        check(&[("email", "a@b.de;c@d.de")], Err("one bare value per cell"));
        check(&[("user_id", "1;2")], Err("user_id_2"));
        check(&[("user_id", "1.23457E+11")], Err("spreadsheet"));
        check(&[("user_id", "#N/A")], Err("spreadsheet"));
        check(&[("user_id", "E+7")], Ok("erase - - user_id=E+7"));
        check(
            &[("email", "a@b.de"), ("action", "delete")],
            Err("action is none of: erase, suppress"),
        );
        check(&[("email", "a@b.de"), ("scope", "everything")], Err("scope is none of"));
        check(&[("email", "a@b.de"), ("controller", "acme")], Err("controller is none of"));
        check(
            &[("email", "a@b.de"), ("requester_relation", "friend")],
            Err("requester_relation is none of: self"),
        );
        check(&[("email", "a@b.de"), ("received_on", "22.11.2026")], Err("YYYY-MM-DD"));
        check(&[("email", "a@b.de"), ("received_on", "2026-11-23")], Err("lies in the future"));
        check(&[("email", "a@b.de"), ("regime", "gd\npr")], Err("regime holds a line break"));
        check(&[("phone", "call me")], Err("phone is not a telephone number"));
    }

    #[test]
    fn a_slipped_column_does_not_repeat_the_person() {
        for name in [
            "action",
            "scope",
            "controller",
            "requester_relation",
            "received_on",
            "phone",
            "email_2",
        ] {
            let refused = read(&[("email", "a@b.de"), (name, "canary@@example")]);
            assert!(refused.is_err_and(|e| !e.contains("canary")), "{name}");
        }
    }

    #[test]
    fn the_filing_key_follows_the_meaning_and_not_the_look() {
        let key = |cells: &[(&str, &str)]| read(cells).expect("a good row").filing_key;
        let first = key(&[("email", "a@b.de"), ("user_id", "7")]);
        assert_eq!(first, key(&[("user_id", " 7 "), ("email", "A@B.DE"), ("note", "")]));
        for other in [
            &[("email", "a@b.de")][..],
            &[("email", "a@b.de"), ("user_id", "8")],
            &[("email", "a@b.de"), ("user_id", "7"), ("note", "x")],
            &[("email", "a@b.de"), ("user_id", "7"), ("proof", "letter")],
            &[("email", "a@b.de"), ("user_id", "7"), ("received_on", "2026-11-20")],
            &[("email", "a@b.de"), ("anonymous_id", "7")],
        ] {
            assert_ne!(first, key(other), "{other:?}");
        }
    }
}
