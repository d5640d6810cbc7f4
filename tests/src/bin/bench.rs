//! Measures the engine beside what the machine itself can do, in one run: `cargo xtask bench`.

#[path = "../bench/mod.rs"]
mod bench;

fn main() -> anyhow::Result<()> {
    bench::run()
}
