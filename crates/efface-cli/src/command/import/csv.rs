//! CSV in bounded memory. RFC 4180 as commonly read: a doubled quote is a quote, text after a
//! closing quote belongs to the cell, empty lines are skipped, a lone CR ends a record too. A record
//! longer than allowed is passed over by the same rules without being kept: what stands inside a
//! quoted cell is never taken for a record, however long the cell is.

use std::io::{self, BufRead};

/// The cells of one record, one buffer for all.
#[derive(Debug, Default)]
pub struct Cells {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a whole cell.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end_cell();
    }

    fn end_cell(&mut self) {
        self.ends.push(self.bytes.len());
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes held.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The cells as text, or the number (from 1) of the first that is not UTF-8.
    ///
    /// # Errors
    /// The number of that cell.
    pub fn texts(&self) -> Result<impl Iterator<Item = &str> + Clone, usize> {
        if let Some(bad) = self.spans().position(|s| str::from_utf8(&self.bytes[s]).is_err()) {
            return Err(bad + 1);
        }
        Ok(self.spans().map(|s| str::from_utf8(&self.bytes[s]).unwrap_or_default()))
    }

    fn spans(&self) -> impl Iterator<Item = std::ops::Range<usize>> + Clone + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| start..*end)
    }
}

/// Where a record stood, and what is wrong with it as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first_line: u64,
    pub last_line: u64,
    pub fault: Option<Fault>,
}

/// Why a record cannot be read; its cells are not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    TooLong,
    /// The file ends inside a quoted cell.
    OpenQuote,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    RecordStart,
    CellStart,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted cell: its end, or the first half of a doubled one.
    QuoteSeen,
}

/// Reads record by record.
pub struct Records<R> {
    input: R,
    delimiter: u8,
    longest: usize,
    line: u64,
    after_cr: bool,
}

impl<R: BufRead> Records<R> {
    pub const fn new(input: R, delimiter: u8, longest: usize) -> Self {
        Self { input, delimiter, longest, line: 1, after_cr: false }
    }

    /// The line that is read next.
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next record into `cells`; `None` at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self, cells: &mut Cells) -> io::Result<Option<Span>> {
        cells.clear();
        let mut walk =
            Walk { state: State::RecordStart, length: 0, too_long: false, first_line: self.line };
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(walk.at_end(self.line, cells));
            }
            let mut used = 0;
            let mut ended = None;
            for &byte in chunk {
                used += 1;
                if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                    continue;
                }
                let last_line = self.line;
                let inside = walk.is_inside_quotes();
                if byte == b'\n' || (byte == b'\r' && !inside) {
                    self.line += 1;
                    self.after_cr = byte == b'\r';
                }
                if walk.step(byte, self.delimiter, last_line, self.longest, cells) {
                    ended = Some(last_line);
                    break;
                }
            }
            self.input.consume(used);
            if let Some(last_line) = ended {
                return Ok(Some(walk.span(last_line)));
            }
        }
    }
}

struct Walk {
    state: State,
    length: usize,
    too_long: bool,
    first_line: u64,
}

impl Walk {
    fn is_inside_quotes(&self) -> bool {
        self.state == State::Quoted
    }

    /// Takes one byte; whether the record ends with it.
    fn step(
        &mut self,
        byte: u8,
        delimiter: u8,
        line: u64,
        longest: usize,
        cells: &mut Cells,
    ) -> bool {
        let ends_line = matches!(byte, b'\n' | b'\r');
        if self.state == State::RecordStart {
            if ends_line {
                return false;
            }
            self.first_line = line;
        }
        if !(ends_line && self.state != State::Quoted) {
            self.length += 1;
            if self.length > longest && !self.too_long {
                self.too_long = true;
                cells.clear();
            }
        }
        match self.state {
            State::Quoted if byte == b'"' => self.state = State::QuoteSeen,
            State::Quoted => self.keep(byte, cells),
            State::QuoteSeen if byte == b'"' => {
                self.keep(byte, cells);
                self.state = State::Quoted;
            }
            State::RecordStart | State::CellStart if byte == b'"' => self.state = State::Quoted,
            State::RecordStart | State::CellStart | State::Plain | State::QuoteSeen => {
                if ends_line {
                    self.end_cell(cells);
                    return true;
                }
                if byte == delimiter {
                    self.end_cell(cells);
                    self.state = State::CellStart;
                } else {
                    self.keep(byte, cells);
                    self.state = State::Plain;
                }
            }
        }
        false
    }

    fn keep(&self, byte: u8, cells: &mut Cells) {
        if !self.too_long {
            cells.bytes.push(byte);
        }
    }

    fn end_cell(&self, cells: &mut Cells) {
        if !self.too_long {
            cells.end_cell();
        }
    }

    fn at_end(&mut self, line: u64, cells: &mut Cells) -> Option<Span> {
        if self.state == State::RecordStart {
            return None;
        }
        self.end_cell(cells);
        Some(self.span(line))
    }

    fn span(&self, last_line: u64) -> Span {
        let fault = match (self.state == State::Quoted, self.too_long) {
            (true, _) => Some(Fault::OpenQuote),
            (false, true) => Some(Fault::TooLong),
            (false, false) => None,
        };
        Span { first_line: self.first_line, last_line, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn read_all(text: &[u8], longest: usize) -> Vec<(Span, Vec<String>)> {
        // a buffer of three bytes so that every boundary is met
        let mut records = Records::new(BufReader::with_capacity(3, text), b',', longest);
        let mut cells = Cells::default();
        let mut all = vec![];
        while let Some(span) = records.read(&mut cells).expect("memory can be read") {
            let texts = cells.texts().map(|t| t.map(str::to_owned).collect()).unwrap_or_default();
            all.push((span, texts));
        }
        all
    }

    #[test]
    fn every_short_file_is_read_as_the_csv_crate_reads_it() {
        let alphabet = *b"a,\"\n\r";
        for length in 0..=6u32 {
            for mut number in 0..5usize.pow(length) {
                let mut text = vec![];
                for _ in 0..length {
                    text.push(alphabet[number % 5]);
                    number /= 5;
                }
                let mine: Vec<Vec<String>> =
                    read_all(&text, 100).into_iter().map(|(_, cells)| cells).collect();
                let theirs: Vec<Vec<String>> = csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(text.as_slice())
                    .records()
                    .map(|r| r.expect("text").iter().map(str::to_owned).collect())
                    .collect();
                assert_eq!(mine, theirs, "{:?}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn lines_are_counted_through_quotes_blank_lines_and_every_line_end() {
        let text = b"h\r\n\r\n\"two\nlines\",x\r\nlast";
        let spans: Vec<(u64, u64)> =
            read_all(text, 100).iter().map(|(s, _)| (s.first_line, s.last_line)).collect();
        assert_eq!(spans, [(1, 1), (3, 4), (5, 5)]);
        let spans: Vec<u64> = read_all(b"a\rb\rc", 9).iter().map(|(s, _)| s.first_line).collect();
        assert_eq!(spans, [1, 2, 3]);
    }

    #[test]
    fn a_record_too_long_is_passed_over_by_the_same_rules() {
        let check = |text: &str, want: &[(u64, Option<Fault>)]| {
            let got: Vec<(u64, Option<Fault>)> =
                read_all(text.as_bytes(), 8).iter().map(|(s, _)| (s.first_line, s.fault)).collect();
            assert_eq!(got, want, "{text}");
        };
        check("12345678\nok", &[(1, None), (2, None)]);
        check("123456789\nok", &[(1, Some(Fault::TooLong)), (2, None)]);
        // what a long quoted cell holds is no record of its own
        check("\"long\na,b\nlong\nlong\"\nok", &[(1, Some(Fault::TooLong)), (5, None)]);
        check("ok\n\"open\na,b\nc,d", &[(1, None), (2, Some(Fault::OpenQuote))]);
    }

    #[test]
    fn a_cell_that_is_not_utf_8_is_named() {
        let mut records = Records::new(&b"ok,\xff\xfe,ok"[..], b',', 100);
        let mut cells = Cells::default();
        records.read(&mut cells).expect("memory can be read");
        assert_eq!(cells.texts().err(), Some(2));
        // half a character on each side of a delimiter is no character
        let mut records = Records::new(&b"\xc3,\xa9"[..], b',', 100);
        records.read(&mut cells).expect("memory can be read");
        assert_eq!(cells.texts().err(), Some(1));
    }
}
