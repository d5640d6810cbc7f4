//! From an opened source to groups of parsed rows. Reads and parses on a thread of its own; a few
//! groups are in memory at a time, whatever the size of the file.

use std::io::BufRead;

use tokio::sync::mpsc::Sender;

use super::{
    columns::{Column, Field, Naming},
    csv::{Cells, Fault, Records, Span},
    ndjson::{Lines, read_object},
    row::Defaults,
    source::{Format, Source},
};
use crate::exit::{Exit, Failure};

/// A row: what it comes to, or why it is refused.
pub struct Parsed<T> {
    pub line: u64,
    pub read: Result<T, String>,
}

/// Rows that are filed together.
pub type Group<T> = Vec<Parsed<T>>;

/// A group, or what was read before the file could not be read on.
type Cut<T> = Result<Group<T>, (Group<T>, Failure)>;

/// What is made of a row's cells.
pub trait ReadRow {
    type Row;

    /// # Errors
    /// Why the row is refused.
    fn read<'a>(
        &mut self,
        columns: &[Column],
        cells: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Self::Row, String>;
}

/// A group is closed early when its text has grown to this.
const GROUP_BYTES: usize = 4 << 20;

enum Input {
    Csv { records: Records<Box<dyn BufRead + Send>>, columns: Vec<Column> },
    Ndjson { lines: Lines<Box<dyn BufRead + Send>>, naming: Naming, buffer: Vec<u8> },
}

/// Reads rows one after another.
pub struct Reader<R> {
    name: String,
    longest: usize,
    input: Input,
    rows: R,
    cells: Cells,
    /// The columns of the row at hand, where each row has its own.
    own_columns: Vec<Column>,
    any: bool,
}

impl<R: ReadRow> Reader<R> {
    /// Reads the header, where there is one. With `defaults`, every row must be able to become a
    /// request.
    ///
    /// # Errors
    /// What is wrong with the file as a whole, with its line.
    pub fn begin(
        source: Source,
        naming: Naming,
        defaults: Option<&Defaults>,
        rows: R,
        longest: usize,
    ) -> Result<Self, Failure> {
        let mut cells = Cells::default();
        let name = source.name;
        let input = match source.format {
            Format::Csv => {
                let mut records = Records::new(source.input, source.delimiter, longest);
                let columns = header(&name, &mut records, &mut cells, &naming, longest)?;
                if let Some(defaults) = defaults {
                    defaults_suffice(&name, &columns, defaults)?;
                }
                Input::Csv { records, columns }
            }
            Format::Ndjson => {
                let lines = Lines::new(source.input, longest);
                Input::Ndjson { lines, naming, buffer: vec![] }
            }
        };
        Ok(Self { name, longest, input, rows, cells, own_columns: vec![], any: false })
    }

    /// Sends groups until the source ends or nobody takes them any more.
    pub fn run(mut self, groups: &Sender<Result<Group<R::Row>, Failure>>, group_rows: usize) {
        loop {
            match self.group(group_rows) {
                Ok(group) if group.is_empty() => return,
                Ok(group) => {
                    if groups.blocking_send(Ok(group)).is_err() {
                        return;
                    }
                }
                Err((group, failure)) => {
                    if !group.is_empty() && groups.blocking_send(Ok(group)).is_err() {
                        return;
                    }
                    // nobody listens any more when this fails
                    let _ = groups.blocking_send(Err(failure));
                    return;
                }
            }
        }
    }

    fn group(&mut self, group_rows: usize) -> Cut<R::Row> {
        let mut group = Group::with_capacity(group_rows.min(4096));
        let mut bytes = 0;
        while group.len() < group_rows && bytes < GROUP_BYTES {
            match self.next() {
                Ok(Some(row)) => {
                    bytes += self.cells.size();
                    group.push(row);
                }
                Ok(None) => break,
                Err(failure) => return Err((group, failure)),
            }
        }
        Ok(group)
    }

    /// The next row.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next(&mut self) -> Result<Option<Parsed<R::Row>>, Failure> {
        let first = !std::mem::replace(&mut self.any, true);
        match &mut self.input {
            Input::Csv { records, columns } => {
                let span = match records.read(&mut self.cells) {
                    Ok(None) => return Ok(None),
                    Ok(Some(span)) => span,
                    Err(why) => return Err(broken(&self.name, records.line(), &why)),
                };
                let read = whole(&span, &self.cells, columns.len(), self.longest).and_then(|()| {
                    let texts = self.cells.texts().map_err(not_utf_8)?;
                    self.rows.read(columns, texts)
                });
                Ok(Some(Parsed { line: span.first_line, read }))
            }
            Input::Ndjson { lines, naming, buffer } => {
                let line = match lines.read(buffer) {
                    Ok(None) => return Ok(None),
                    Ok(Some(line)) => line,
                    Err(why) => return Err(broken(&self.name, lines.line() + 1, &why)),
                };
                if first && !line.too_long && !buffer.trim_ascii_start().starts_with(b"{") {
                    return Err(no_object(&self.name, line.number, buffer));
                }
                let read = if line.too_long {
                    self.cells.clear();
                    Err(too_long(self.longest))
                } else {
                    str::from_utf8(buffer).map_err(|_| "is not UTF-8".to_owned()).and_then(|text| {
                        read_object(text, naming, &mut self.own_columns, &mut self.cells)?;
                        let texts = self.cells.texts().map_err(not_utf_8)?;
                        self.rows.read(&self.own_columns, texts)
                    })
                };
                Ok(Some(Parsed { line: line.number, read }))
            }
        }
    }
}

/// Whether a record can be looked into at all.
fn whole(span: &Span, cells: &Cells, columns: usize, longest: usize) -> Result<(), String> {
    let lines = if span.last_line > span.first_line {
        format!(
            " (lines {} to {} are one record; a quote may be missing)",
            span.first_line, span.last_line
        )
    } else {
        String::new()
    };
    match span.fault {
        Some(Fault::TooLong) => Err(format!("{}{lines}", too_long(longest))),
        Some(Fault::OpenQuote) => Err(format!(
            "opens a quoted cell that never closes; everything up to line {} belongs to it",
            span.last_line
        )),
        None if cells.len() != columns => Err(format!(
            "has {} where the header has {}{lines}",
            crate::print::count(cells.len(), "cell"),
            crate::print::count(columns, "column"),
        )),
        None => Ok(()),
    }
}

fn too_long(longest: usize) -> String {
    format!("is longer than {longest} bytes (import.max_line_bytes)")
}

fn not_utf_8(cell: usize) -> String {
    format!("is not UTF-8 in cell {cell}")
}

fn broken(name: &str, line: u64, why: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{name}, line {line}: cannot be read on: {why}"))
        .hint("repeat the same command: rows that are filed are not filed twice")
}

fn no_object(name: &str, line: u64, text: &[u8]) -> Failure {
    let what = if text.trim_ascii_start().starts_with(b"[") {
        "this is a JSON array; NDJSON has one object per line, without brackets and commas around"
    } else {
        "this is not a JSON object; NDJSON has one object per line"
    };
    Failure::new(Exit::Failed, format!("{name}, line {line}: {what}"))
        .hint("for CSV add --format csv; nothing was filed")
}

fn header(
    name: &str,
    records: &mut Records<Box<dyn BufRead + Send>>,
    cells: &mut Cells,
    naming: &Naming,
    longest: usize,
) -> Result<Vec<Column>, Failure> {
    let refuse = |line: u64, what: String| {
        Failure::new(Exit::Failed, format!("{name}, line {line}: {what}; nothing was filed"))
    };
    let span = records.read(cells).map_err(|why| broken(name, 1, &why))?;
    let Some(span) = span else {
        return Err(refuse(1, "the file is empty".into())
            .hint("it needs a line of column names and one line per request"));
    };
    let line = span.first_line;
    match span.fault {
        Some(Fault::TooLong) => {
            return Err(refuse(line, format!("the header {}", too_long(longest))));
        }
        Some(Fault::OpenQuote) => {
            return Err(refuse(line, "the header opens a quoted name that never closes".into()));
        }
        None => {}
    }
    let names = match cells.texts() {
        Ok(texts) => texts.collect::<Vec<&str>>(),
        Err(cell) => {
            return Err(refuse(line, format!("the name of column {cell} is not UTF-8"))
                .hint("save the file as UTF-8 (in a spreadsheet: \"CSV UTF-8\")"));
        }
    };
    if names.iter().all(|name| name.trim().is_empty()) {
        return Err(refuse(line, "the line of column names is blank".into()));
    }
    naming.layout(&names).map_err(|bad| {
        let failure = refuse(line, bad.problems);
        match bad.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// Refuses a file none of whose rows could be filed for want of a column.
fn defaults_suffice(name: &str, columns: &[Column], defaults: &Defaults) -> Result<(), Failure> {
    let has = |field: Field| columns.contains(&Column::Field(field));
    let missing = |what: &str, hint: &str| {
        Failure::new(Exit::Failed, format!("{name}, line 1: {what}; nothing was filed")).hint(hint)
    };
    if !has(Field::Action) && defaults.action.is_none() {
        return Err(missing(
            "there is no column `action` and no --action",
            "add --action erase, suppress, erase_and_suppress or lift",
        ));
    }
    let needs_scope = !has(Field::Action) && defaults.action.is_some_and(|a| a.needs_scope());
    if needs_scope && !has(Field::Scope) && defaults.scope.is_none() {
        return Err(missing(
            "there is no column `scope` and no --scope",
            "add --scope marketing, sale_or_sharing, collection or all_processing",
        ));
    }
    Ok(())
}
