//! HubSpot: what is erased and what stays is told in the README.

mod connector;
#[cfg(feature = "fake")]
mod fake;
mod manifest;
mod people;
mod settings;
mod suppression;
mod walk;
mod wire;

use efface_connector::{Built, Plugin, SettingsError};
use serde_json::Value;

#[cfg(feature = "fake")]
pub use fake::checks;

pub const PLUGIN: Plugin = Plugin {
    id: "hubspot",
    manifest: || manifest::manifest(settings::PURGE_DAYS, false),
    example: include_str!("../settings.example.toml"),
    build,
    #[cfg(feature = "fake")]
    fake: fake::start,
};

fn build(settings: &Value, base_url: Option<&str>) -> Result<Built, SettingsError> {
    let settings = settings::Settings::read(settings)?;
    let base = base_url.unwrap_or("https://api.hubapi.com").to_owned();
    let connector = connector::HubSpot {
        wire: wire::Wire::new(base, settings.access_token.clone(), &settings.api_version),
        rules: settings.rules(),
        business_units: settings.business_units.clone(),
        purge_days: settings.purge_days,
        lift: settings.lift(),
    };
    let manifest = manifest::manifest(settings.purge_days, connector.lift.is_some());
    Ok(Built { connector: Box::new(connector), manifest })
}
