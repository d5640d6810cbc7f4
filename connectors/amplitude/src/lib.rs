//! Amplitude: what is erased and what stays is told in the README.

mod connector;
#[cfg(feature = "fake")]
mod fake;
mod jobs;
mod manifest;
mod people;
mod settings;
mod wire;

use efface_connector::{Built, Plugin, SettingsError};
use serde_json::Value;

#[cfg(feature = "fake")]
pub use fake::checks;

pub const PLUGIN: Plugin = Plugin {
    id: "amplitude",
    manifest: manifest::manifest,
    example: include_str!("../settings.example.toml"),
    build,
    #[cfg(feature = "fake")]
    fake: fake::start,
};

fn build(settings: &Value, base_url: Option<&str>) -> Result<Built, SettingsError> {
    let settings = settings::Settings::read(settings)?;
    let base = base_url.map_or_else(|| settings.region.base().to_owned(), str::to_owned);
    let wire = wire::Wire::new(base, settings.api_key, settings.secret_key);
    let connector = connector::Amplitude { wire, requester: settings.requester };
    Ok(Built { connector: Box::new(connector), manifest: manifest::manifest() })
}
