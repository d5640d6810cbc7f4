//! Measures the engine beside what the machine itself can do, in one run: `cargo xtask bench`.

#[path = "../bench/mod.rs"]
mod bench;

/// As the binary `efface` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    bench::run()
}
