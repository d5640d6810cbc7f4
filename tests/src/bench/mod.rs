//! The benchmark. Each figure is taken side by side with a bare comparison in the same run, several
//! times in turn; what is told is the median, the spread and the ratio.
//!
//! The vendor's stand-in, the loader and the measured engine are processes of their own (this
//! program started again with a hidden word), so that memory and processor time are told apart.

mod args;
mod bare;
mod cases;
mod children;
mod crew;
mod engine;
mod intake;
mod load;
mod place;
mod report;
mod stub;
mod vendor;
mod watch;

use anyhow::Result;

/// Runs the program, or the part of it that was named by a parent.
pub fn run() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let first = words.next();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    match first.as_deref().and_then(|w| w.strip_prefix("part:")) {
        Some(part) => {
            let job = words.next().unwrap_or_default();
            runtime.block_on(children::part(part, &job))
        }
        None => {
            let args = args::read(first.into_iter().chain(words))?;
            runtime.block_on(cases::all(&args))
        }
    }
}
