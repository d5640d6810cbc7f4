//! Twilio SendGrid: what is erased and what stays is told in the README.

mod connector;
mod contacts;
#[cfg(feature = "fake")]
mod fake;
mod manifest;
mod people;
mod settings;
mod suppressions;
mod wire;

use efface_connector::{Built, Plugin, SettingsError};
use serde_json::Value;

#[cfg(feature = "fake")]
pub use fake::checks;

pub const PLUGIN: Plugin = Plugin {
    id: "sendgrid",
    manifest: || manifest::manifest(settings::Products::BOTH),
    example: include_str!("../settings.example.toml"),
    build,
    #[cfg(feature = "fake")]
    fake: fake::start,
};

fn build(settings: &Value, base_url: Option<&str>) -> Result<Built, SettingsError> {
    let settings = settings::Settings::read(settings)?;
    let products = settings.products()?;
    let base = base_url.map_or_else(|| settings.region.host().to_owned(), str::to_owned);
    let wire = wire::Wire { base, api_key: settings.api_key, on_behalf_of: settings.on_behalf_of };
    let connector = connector::SendGrid { wire, products };
    Ok(Built { connector: Box::new(connector), manifest: manifest::manifest(products) })
}
