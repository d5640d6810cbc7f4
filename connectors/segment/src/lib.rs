//! Twilio Segment, one workspace: what is erased and what stays is told in the README.

mod connector;
#[cfg(feature = "fake")]
mod fake;
mod manifest;
mod people;
mod settings;
mod wire;

use efface_connector::{Built, Plugin, SettingsError};
use serde_json::Value;

#[cfg(feature = "fake")]
pub use fake::checks;

pub const PLUGIN: Plugin = Plugin {
    id: "segment",
    manifest: || manifest::manifest(false, false),
    example: include_str!("../settings.example.toml"),
    build,
    #[cfg(feature = "fake")]
    fake: fake::start,
};

fn build(settings: &Value, base_url: Option<&str>) -> Result<Built, SettingsError> {
    let settings = settings::Settings::read(settings)?;
    let space = settings.space()?;
    let manifest = manifest::manifest(settings.forward_to_destinations, space.is_some());
    let (base, profiles) = settings.bases(base_url);
    let connector = connector::Segment {
        wire: wire::Wire::new(base, profiles, settings.token, settings.pagination, space),
        forwards: settings.forward_to_destinations,
        own_systems: settings.own_systems,
        suppression_pages: settings.suppression_pages,
    };
    Ok(Built { connector: Box::new(connector), manifest })
}
