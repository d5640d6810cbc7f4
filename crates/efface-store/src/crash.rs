//! Named moments at which the fault harness lets a process end as if its plug were pulled. They are
//! there with the feature `crash-points` alone; any other build holds nothing of them.

/// Ends the process here when `FAILPOINTS` says so: `point=return`, or `point=3*off->return` for the
/// fourth time it is passed.
#[cfg(feature = "crash-points")]
pub fn crash_point(name: &str) {
    fail::fail_point!(name, |_| std::process::abort());
}

#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub const fn crash_point(_name: &str) {}

/// Reads `FAILPOINTS`; they stay armed as long as the process lives.
#[cfg(feature = "crash-points")]
pub fn arm_crash_points() {
    std::mem::forget(fail::FailScenario::setup());
}
