//! What goes to the terminal: plain tables for people, JSON with stable names for programs. Never
//! an escape sequence, so that a file or a pipe holds what was meant.

use std::io::{self, Write as _};

use efface_core::Timestamp;
use serde::Serialize;

/// Writes a line to standard output. Whoever reads it may go away at any time: what was asked for
/// is done all the same, and the exit code tells of that alone.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
pub fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let whole = format!("{}\n", text.as_ref());
    match out.write_all(whole.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to standard error, if anybody reads it.
pub fn aside(text: impl AsRef<str>) {
    let whole = format!("{}\n", text.as_ref());
    // there is no other place to tell it
    let _ = io::stderr().lock().write_all(whole.as_bytes());
}

/// Writes a formatted line to standard output.
macro_rules! say {
    ($($part:tt)*) => { $crate::print::line(format!($($part)*))? };
}
pub(crate) use say;

/// Writes a value as indented JSON.
///
/// # Errors
/// As [`line`].
pub fn json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Rows under headings, as wide as their widest cell.
#[derive(Clone, Debug, Default)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: vec![] }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table, or `empty` when it has no rows.
    ///
    /// # Errors
    /// As [`line`].
    pub fn print(&self, empty: &str) -> io::Result<()> {
        if self.rows.is_empty() {
            return if empty.is_empty() { Ok(()) } else { line(empty) };
        }
        let head: Vec<String> = self.head.iter().map(|h| h.to_uppercase()).collect();
        line(self.laid_out(&head))?;
        self.rows.iter().try_for_each(|row| line(self.laid_out(row)))
    }

    fn laid_out(&self, cells: &[String]) -> String {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < cells.len() {
                let room = self.width(column).saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', room + 2));
            }
        }
        text.trim_end().to_owned()
    }

    fn width(&self, column: usize) -> usize {
        let of = |cells: &Vec<String>| cells.get(column).map_or(0, |c| c.chars().count());
        let head = self.head.get(column).map_or(0, |h| h.chars().count());
        self.rows.iter().map(of).max().unwrap_or(0).max(head)
    }
}

/// An instant for people: to the second, UTC.
#[must_use]
pub fn when(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    format!("{}Z", seconds.replacen('T', " ", 1))
}

/// An instant that may be missing.
#[must_use]
pub fn maybe_when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".into(), when)
}

/// `1 task`, `2 tasks`.
#[must_use]
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// `1 leaf`, `2 leaves`.
#[must_use]
pub fn leaves(n: u64) -> String {
    if n == 1 { "1 leaf".into() } else { format!("{n} leaves") }
}

/// Words with commas, or a dash.
#[must_use]
pub fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".into();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Names and values, one pair a line.
///
/// # Errors
/// As [`line`].
pub fn pairs(pairs: &[(&str, String)]) -> io::Result<()> {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs.iter().try_for_each(|(name, value)| line(format!("{name:width$}  {value}")))
}
