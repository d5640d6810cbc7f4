//! The settings: three sources, one checked and typed result.
//!
//! Later sources win: the defaults baked in from `config/efface.toml`, the
//! user's file, then the environment. A variable is named after its setting,
//! `EFFACE__SECTION__KEY` with *two* underscores between the parts; single ones
//! belong to names. Ids never hold an underscore, so in the place of an id `_`
//! stands for `-`: `EFFACE__ACCOUNTS__MAILCHIMP_EU__LANE` is
//! `accounts.mailchimp-eu.lane`. Lists are written with commas.
//!
//! A secret is given by value, by `<key>_file = "path"`, or as `"env:NAME"`,
//! never twice. Inside `[accounts.<id>.settings]`, which belongs to the vendor,
//! both forms are resolved for every key before the vendor sees the table.
//!
//! A path is relative to the folder of the settings file; one that the
//! environment gives is relative to the folder efface is started in.
//!
//! [`Settings::load`] collects *all* problems before it refuses, each with its
//! dotted path, where it came from and the nearest right name.

mod error;
mod layers;
mod load;
mod references;
mod schema;
mod secret;
mod sections;
mod shapes;
mod validate;
mod vendor;
mod walk;

pub use error::{Error, Problem};
pub use load::VendorSecrets;
pub use secret::{Secret, VendorSettings};
pub use sections::{
    Account, Controller, Database, Import, Ledger, Log, Policy, Retry, Schedule, Server, Settings,
    Telemetry, Vault, Worker,
};

/// The commented default file, as `efface init` writes it.
pub const DEFAULT_FILE: &str = include_str!("../../../config/efface.toml");

use jiff::tz::TimeZone;

impl Settings {
    /// The settings in force, to be shown: secrets print as `[secret]`, or as
    /// the reference they were given by.
    #[must_use]
    pub fn redacted(&self) -> toml::Value {
        toml::Value::Table(self.shown.clone())
    }

    /// One controller.
    ///
    /// # Errors
    /// [`Error::UnknownController`] naming those there are.
    pub fn controller(&self, id: &str) -> Result<&Controller, Error> {
        self.controllers.get(id).ok_or_else(|| Error::UnknownController {
            id: id.to_owned(),
            known: self.controllers.keys().cloned().collect(),
        })
    }

    /// The zone in which a controller's days and deadlines are counted. It has
    /// no default: a wrong day is worse than a question.
    ///
    /// # Errors
    /// [`Error::NotSet`] naming the key to set, or [`Error::UnknownController`].
    pub fn controller_zone(&self, id: &str) -> Result<TimeZone, Error> {
        let not_set = || Error::NotSet {
            path: format!("controllers.{id}.time_zone"),
            hint: "deadlines are counted in the controller's days; set for example time_zone = \"Europe/Paris\"",
        };
        let name = self.controller(id)?.time_zone.as_deref();
        TimeZone::get(name.ok_or_else(not_set)?).map_err(|_| not_set())
    }
}

impl Vault {
    /// The text of the master key, read now if it stands in a file.
    ///
    /// # Errors
    /// [`Error::MasterKeyFile`] when the file cannot be used,
    /// [`Error::NotSet`] when no key is configured at all.
    pub fn master_key_text(&self) -> Result<Secret, Error> {
        match (&self.master_key, &self.master_key_file) {
            (Some(key), _) => Ok(key.clone()),
            (None, Some(file)) => references::read_file(file)
                .map(Secret::new)
                .map_err(|reason| Error::MasterKeyFile { path: file.clone(), reason }),
            (None, None) => Err(Error::NotSet {
                path: "vault.master_key_file".to_owned(),
                hint: "name the file that holds the master key",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    //! The default file against the schema: nothing may be missing from it.

    use super::*;
    use schema::{Field, Kind};

    /// The part of the default file under `header`, commented out or not.
    fn part(header: &str) -> &'static str {
        let start = [format!("\n[{header}]\n"), format!("\n#[{header}]\n")]
            .iter()
            .find_map(|h| DEFAULT_FILE.find(h.as_str()).map(|at| at + h.len()))
            .unwrap_or_else(|| panic!("the default file has no section [{header}]"));
        let rest = &DEFAULT_FILE[start..];
        let end = [rest.find("\n["), rest.find("\n#[")];
        &rest[..end.into_iter().flatten().min().unwrap_or(rest.len())]
    }

    fn check(header: &str, fields: &[Field]) {
        for field in fields {
            let name = field.name;
            match field.kind {
                Kind::Section(inner) => check(&format!("{header}.{name}"), inner),
                Kind::Vendor | Kind::Named(..) => {
                    assert!(part(&format!("{header}.{name}")).contains('='))
                }
                _ => {
                    let text = format!("\n{}", part(header));
                    let at = [format!("\n{name} = "), format!("\n#{name} = ")]
                        .iter()
                        .find_map(|line| text.find(line.as_str()));
                    let at = at.unwrap_or_else(|| panic!("[{header}] does not show {name}"));
                    let before = text[..at].lines().last().unwrap_or_default();
                    assert!(before.starts_with("# "), "[{header}] {name} has no comment");
                }
            }
        }
    }

    #[test]
    fn the_default_file_shows_and_explains_every_setting() {
        for field in Settings::FIELDS {
            match field.kind {
                Kind::Section(inner) => check(field.name, inner),
                Kind::Each(inner, _) if field.name == "controllers" => {
                    check("controllers.default", inner);
                }
                Kind::Each(inner, _) => check("accounts.mailchimp-eu", inner),
                other => panic!("{} is {other:?}", field.name),
            }
        }
    }
}
