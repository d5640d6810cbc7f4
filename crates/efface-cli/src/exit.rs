//! How a command ends: exit codes that scripts can rely on, errors that say what to do.

use std::{error::Error as StdError, fmt, process::ExitCode};

use efface_store::Error as StoreError;

use crate::print;

/// What a command ends with. The numbers are promised in the root's `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// A brake or a rule refuses.
    Refused = 3,
    NotFound = 4,
    /// Waits for a person, or longer than the command was to wait.
    Waits = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure with its exit code and what to do about it.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    #[must_use]
    pub fn waits(message: impl Into<String>) -> Self {
        Self::new(Exit::Waits, message)
    }

    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.exit == Exit::Refused
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(exit_of(&error), error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Failure {}

/// What the store's refusals mean to a script.
fn exit_of(error: &StoreError) -> Exit {
    match error {
        StoreError::NotFound { .. } | StoreError::Ended { .. } => Exit::NotFound,
        StoreError::Refused(_)
        | StoreError::Task(_)
        | StoreError::Request(_)
        | StoreError::Suppression(_)
        | StoreError::Forgotten(_)
        | StoreError::FiledBefore(_) => Exit::Refused,
        StoreError::Unavailable(_)
        | StoreError::Database(_)
        | StoreError::Stale { .. }
        | StoreError::LaneLost { .. }
        | StoreError::Corrupt { .. }
        | StoreError::Journal(_)
        | StoreError::Vault(_)
        | StoreError::NewerSchema { .. }
        | StoreError::NoSchema
        | StoreError::OldSchema { .. }
        | StoreError::ReadOnly(_)
        | StoreError::Unsupported(_) => Exit::Failed,
    }
}

/// Prints an error with its causes and hint; its exit code comes back.
#[must_use]
pub fn report(error: &anyhow::Error, json: bool) -> Exit {
    let failure = error.chain().find_map(|e| e.downcast_ref::<Failure>());
    let stored = error.chain().find_map(|e| e.downcast_ref::<StoreError>());
    let exit = match (failure, stored) {
        (Some(failure), _) => failure.exit,
        (None, Some(stored)) => exit_of(stored),
        (None, None) => Exit::Failed,
    };
    let hint = failure.and_then(|f| f.hint.clone());
    let message = told(error);
    if json {
        let body = serde_json::json!({ "error": message, "hint": hint, "exit": exit as u8 });
        print::aside(body.to_string());
    } else {
        print::aside(format!("error: {message}"));
        if let Some(hint) = hint {
            print::aside(format!("hint: {hint}"));
        }
    }
    exit
}

/// The chain in one line; a cause that its effect quotes already is not said twice.
fn told(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}
