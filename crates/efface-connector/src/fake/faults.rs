//! Faults a stand-in shows on demand: scripted one by one, or every n-th call.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

/// One misbehaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers so without doing anything.
    Reply { status: u16, headers: Vec<(String, String)>, body: String },
    /// Does it, then never answers.
    SilenceAfter,
    /// Does nothing and never answers.
    SilenceBefore,
    /// Does it, then breaks the answer off.
    BreakAfter,
    /// Does it, then answers 200 with something unreadable.
    GarbageAfter,
    /// Waits, then behaves.
    Slow(Duration),
    /// No fault; keeps a place in a script.
    None,
}

impl Fault {
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Reply { status, headers: vec![], body: String::new() }
    }

    #[must_use]
    pub fn limited(header: &str, value: &str) -> Self {
        Self::Reply {
            status: 429,
            headers: vec![(header.to_owned(), value.to_owned())],
            body: String::new(),
        }
    }
}

/// Which fault comes when.
#[derive(Debug, Default)]
pub struct Faults {
    script: Mutex<VecDeque<Fault>>,
    changing: Mutex<VecDeque<Fault>>,
    every: Mutex<Vec<(u64, Fault)>>,
    always: Mutex<Option<Fault>>,
    latency: Mutex<Duration>,
}

impl Faults {
    /// Adds to the script; each entry serves one call.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        if let Ok(mut script) = self.script.lock() {
            script.extend(faults);
        }
    }

    /// Adds to the script of calls that are no GET.
    pub fn next_changing(&self, faults: impl IntoIterator<Item = Fault>) {
        if let Ok(mut script) = self.changing.lock() {
            script.extend(faults);
        }
    }

    /// Every `n`-th changing call shows `fault`.
    pub fn every(&self, n: u64, fault: Fault) {
        if let Ok(mut every) = self.every.lock() {
            every.push((n.max(1), fault));
        }
    }

    /// All calls show `fault` until it is taken away with `None`.
    pub fn always(&self, fault: Option<Fault>) {
        if let Ok(mut always) = self.always.lock() {
            *always = fault;
        }
    }

    /// Each answer takes this long.
    pub fn latency(&self, latency: Duration) {
        if let Ok(mut l) = self.latency.lock() {
            *l = latency;
        }
    }

    pub(super) fn current_latency(&self) -> Duration {
        self.latency.lock().map(|l| *l).unwrap_or_default()
    }

    /// The fault for the `n`-th call of the server; `changing` for calls that are no GET.
    pub(super) fn take(&self, n: u64, changing: bool) -> Fault {
        if let Some(fault) = self.script.lock().ok().and_then(|mut s| s.pop_front()) {
            return fault;
        }
        if let Some(fault) = self.always.lock().ok().and_then(|a| a.clone()) {
            return fault;
        }
        if changing {
            if let Some(fault) = self.changing.lock().ok().and_then(|mut s| s.pop_front()) {
                return fault;
            }
            let every = self.every.lock().map(|e| e.clone()).unwrap_or_default();
            if let Some((_, fault)) = every.into_iter().find(|(each, _)| n.is_multiple_of(*each)) {
                return fault;
            }
        }
        Fault::None
    }
}
