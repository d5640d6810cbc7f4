//! Mailchimp Marketing: what is erased and what stays is told in the README.

mod connector;
#[cfg(feature = "fake")]
mod fake;
mod manifest;
mod settings;
mod walk;
mod wire;

use efface_connector::{Built, Plugin, SettingsError};
use serde_json::Value;

#[cfg(feature = "fake")]
pub use fake::checks;

pub const PLUGIN: Plugin = Plugin {
    id: "mailchimp",
    manifest: manifest::manifest,
    example: include_str!("../settings.example.toml"),
    build,
    #[cfg(feature = "fake")]
    fake: fake::start,
};

fn build(settings: &Value, base_url: Option<&str>) -> Result<Built, SettingsError> {
    let settings = settings::Settings::read(settings)?;
    let wire = wire::Wire::new(settings.base(base_url)?, settings.api_key);
    let connector = connector::Mailchimp { wire, audiences: settings.audiences };
    Ok(Built { connector: Box::new(connector), manifest: manifest::manifest() })
}
