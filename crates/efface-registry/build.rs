//! Writes the list of vendors from the lines in this crate's own manifest.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

const FIRST: &str = "# -- vendors: one line each --";
const LAST: &str = "# -- end of vendors --";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=build.rs");
    let manifest = fs::read_to_string("Cargo.toml")?;
    let (mut plugins, mut checks, mut tests) = (String::new(), String::new(), String::new());
    for id in vendors(&manifest)? {
        let name = format!("efface_connector_{}", id.replace('-', "_"));
        writeln!(plugins, "    {name}::PLUGIN,")?;
        writeln!(checks, "    (\"{id}\", {name}::checks),")?;
        writeln!(tests, "vendor!({}, \"{id}\");", id.replace('-', "_"))?;
    }
    let text = format!(
        "/// Every vendor, in the order of the alphabet.\n\
         pub static PLUGINS: &[Plugin] = &[\n{plugins}];\n\n\
         /// Each vendor's own checks.\n\
         pub static CHECKS: &[VendorChecks] = &[\n{checks}];\n"
    );
    // build scripts are handed their folder by cargo in no other way
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script where to write so")]
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("vendors.rs"), text)?;
    fs::write(Path::new(&out).join("tests.rs"), tests)?;
    Ok(())
}

fn vendors(manifest: &str) -> Result<Vec<&str>, String> {
    let (_, rest) = manifest.split_once(FIRST).ok_or(format!("there is no line `{FIRST}`"))?;
    let (lines, _) = rest.split_once(LAST).ok_or(format!("there is no line `{LAST}`"))?;
    let lines = lines.lines().filter(|line| !line.trim().is_empty());
    let ids = lines.map(|line| {
        let name = line.split([' ', '=', '.']).next().unwrap_or_default();
        name.strip_prefix("efface-connector-").ok_or(format!("`{line}` is no vendor's line"))
    });
    ids.collect()
}
