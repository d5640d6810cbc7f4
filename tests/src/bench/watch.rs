//! Clocks and what the system says about a process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The stopwatch of all measurements.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Nanoseconds since 1970: one clock for all processes of this machine.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn wall_nanos() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}

/// A line of `/proc/self/status` in kB.
fn status_kb(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(0)
}

/// The most memory this process ever held, in MB.
pub fn peak_memory_mb() -> f64 {
    status_kb("VmHWM:") as f64 / 1024.0
}

/// Processor time this process has used.
pub fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // user and system time are the 14th and 15th word; the name in brackets may hold spaces
    let after = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|w| w.parse::<u64>().ok()).sum();
    // Linux tells times to programs in hundredths of a second on every machine
    Duration::from_millis(ticks.saturating_mul(10))
}
