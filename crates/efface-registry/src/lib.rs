//! THE LIST. One line per vendor in this crate's manifest; the build writes the rest.

use efface_connector::{Plugin, fake::Check};

/// A vendor's id and its own checks.
pub type VendorChecks = (&'static str, fn() -> Vec<Check>);

include!(concat!(env!("OUT_DIR"), "/vendors.rs"));

/// The vendor of this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Plugin> {
    PLUGINS.iter().find(|plugin| plugin.id == id)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_folder_has_its_line_and_every_line_its_folder() {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors");
        let mut folders: Vec<String> = fs::read_dir(folders)
            .expect("connectors")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
            .collect();
        folders.sort_unstable();
        let lines: Vec<&str> = PLUGINS.iter().map(|plugin| plugin.id).collect();
        assert_eq!(folders, lines);
        let checks: Vec<&str> = CHECKS.iter().map(|(id, _)| *id).collect();
        assert_eq!(checks, lines);
        assert!(lines.iter().all(|id| find(id).is_some_and(|plugin| plugin.id == *id)));
        assert!(find("nobody").is_none());
    }
}
