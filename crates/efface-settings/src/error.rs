//! What can be wrong with the settings, and where.

use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// A refusal of the settings.
#[derive(Debug, Error)]
pub enum Error {
    /// The file named on the command line is not there.
    #[error("there is no settings file at {}: `efface init` writes one, or name another", path.display())]
    NoFile {
        /// The path given.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("the settings file {} cannot be read", path.display())]
    Unreadable {
        /// The path given.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not TOML. The line itself is not quoted: it may hold a secret.
    #[error("config: {file} line {line}, column {column}: {message}")]
    Syntax {
        /// The file as it was named.
        file: String,
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// Everything that was found wrong.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// The sources could not be laid over each other.
    #[error("config: the sources cannot be merged")]
    Merge(#[source] config::ConfigError),
    /// The checked settings do not fit the program: a fault of the program.
    #[error("config: the checked settings do not fit; please report this")]
    Shape(#[source] serde_json::Error),
    /// A setting without default is needed now.
    #[error("config: {path} is not set: {hint}")]
    NotSet {
        /// The dotted path of the setting.
        path: String,
        /// What to do.
        hint: &'static str,
    },
    /// No controller of that id.
    #[error("config: there is no controller `{id}`; there are: {}", known.join(", "))]
    UnknownController {
        /// The id asked for.
        id: String,
        /// The ids there are.
        known: Vec<String>,
    },
    /// The master key's file cannot be used.
    #[error(
        "config: vault.master_key_file: {reason} (`efface init` writes a new key for a new database; an existing database needs its own)"
    )]
    MasterKeyFile {
        /// The file configured.
        path: PathBuf,
        /// What is wrong, path included.
        reason: String,
    },
}

/// One thing that is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's full dotted path.
    pub path: String,
    /// File and line, or the environment variable; empty when nowhere.
    pub source: String,
    /// What is wrong, to be read after the path.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        match self.source.as_str() {
            "" => Ok(()),
            variable if variable.starts_with(crate::layers::PREFIX) => {
                write!(f, " [from {variable}]")
            }
            place => write!(f, " [in {place}]"),
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    let each = problems.iter().map(|p| format!("config: {p}"));
    each.collect::<Vec<_>>().join("\n")
}
