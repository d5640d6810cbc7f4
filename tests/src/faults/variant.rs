//! Builds of `efface` that the harness alone makes: with crash points, or crippled on purpose.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What only the crash points' build holds: the word under which they are armed.
pub const MARK: &[u8] = b"FAILPOINTS";

/// Builds `efface` with one feature into a folder of its own. What has no such feature is shared
/// with the ordinary build, which is put back in its place at the end.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn build(feature: &str) -> PathBuf {
    let plain = super::process::efface();
    let folder = plain.parent().expect("a folder").join("broken");
    fs::create_dir_all(&folder).expect("a folder for it");
    let broken = folder.join(format!("efface-{feature}"));
    cargo_build(&plain, &["--features", feature]);
    fs::copy(&plain, &broken).expect("a copy");
    cargo_build(&plain, &[]);
    assert!(!holds_crash_points(&plain), "the ordinary build has crash points");
    broken
}

fn cargo_build(plain: &Path, also: &[&str]) {
    let profile = plain.parent().expect("a folder");
    let target = profile.parent().expect("a target folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["build", "--quiet", "-p", "efface-cli"]).args(also);
    let done = command.arg("--target-dir").arg(target).status().expect("cargo runs");
    assert!(done.success(), "efface cannot be built with {also:?}");
}

/// Whether a program holds crash points.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn holds_crash_points(program: &Path) -> bool {
    let bytes = fs::read(program).expect("a program");
    bytes.windows(MARK.len()).any(|part| part == MARK)
}
