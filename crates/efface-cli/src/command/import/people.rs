//! The people of a file, read as an import reads them, for what files nothing.

use std::path::Path;

use clap::Args as ClapArgs;
use efface_core::Identifier;

use super::{
    columns::{Column, Naming},
    reader::{Parsed, ReadRow, Reader},
    row::identifiers,
    source::Source,
};
use crate::{exit::Failure, wiring::Context};

/// How the columns of a file of people are called.
#[derive(Debug, Default, ClapArgs)]
pub struct NamingArgs {
    /// Read the column NAME of the file as COLUMN; may be repeated
    #[arg(long, value_name = "NAME=COLUMN")]
    map: Vec<String>,
    /// Leave a column of the file out; may be repeated
    #[arg(long, value_name = "NAME")]
    ignore_column: Vec<String>,
}

/// The people of a file as an import reads it, up to `most`, with the line each stands on; what is
/// wished for them is left aside.
///
/// # Errors
/// When the file as a whole cannot be read, or holds more.
pub fn people_of(
    context: &Context,
    file: &Path,
    naming: &NamingArgs,
    region: Option<&str>,
    most: usize,
) -> Result<Vec<Parsed<Vec<Identifier>>>, Failure> {
    let longest = usize::try_from(context.settings.import.max_line_bytes).unwrap_or(usize::MAX);
    let naming = Naming::new(&naming.map, &naming.ignore_column)?;
    let source = Source::open(file, None, None, longest)?;
    let name = source.name.clone();
    let people = People { region: region.map(str::to_owned) };
    let mut reader = Reader::begin(source, naming, None, people, longest)?;
    let mut found = vec![];
    while let Some(row) = reader.next()? {
        if found.len() == most {
            return Err(Failure::usage(format!("{name} holds more than {most} people")));
        }
        found.push(row);
    }
    Ok(found)
}

/// Turns rows into people, and leaves aside what is wished for them.
struct People {
    /// The country assumed for numbers without one.
    region: Option<String>,
}

impl ReadRow for People {
    type Row = Vec<Identifier>;

    fn read<'a>(
        &mut self,
        columns: &[Column],
        cells: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Vec<Identifier>, String> {
        identifiers(columns, cells, self.region.as_deref())
    }
}
