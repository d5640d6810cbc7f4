//! Mixpanel: what is erased and what stays is told in the README.

mod connector;
#[cfg(feature = "fake")]
mod fake;
mod manifest;
mod people;
mod profiles;
mod settings;
mod wire;

use efface_connector::{Built, Plugin, SettingsError};
use serde_json::Value;

#[cfg(feature = "fake")]
pub use fake::checks;

pub const PLUGIN: Plugin = Plugin {
    id: "mixpanel",
    manifest: manifest::manifest,
    example: include_str!("../settings.example.toml"),
    build,
    #[cfg(feature = "fake")]
    fake: fake::start,
};

fn build(settings: &Value, base_url: Option<&str>) -> Result<Built, SettingsError> {
    let settings = settings::Settings::read(settings)?;
    let manifest = manifest::under(&settings);
    let base = base_url.map_or_else(|| settings.region.base().to_owned(), str::to_owned);
    let connector = connector::Mixpanel {
        key_expires: settings.key_expires()?,
        kinds: settings.kinds(),
        ids_per_job: settings.ids_per_job,
        wire: wire::Wire::new(base, settings),
    };
    Ok(Built { connector: Box::new(connector), manifest })
}
