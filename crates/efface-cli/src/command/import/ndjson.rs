//! One JSON object per line, in bounded memory.

use std::{
    borrow::Cow,
    fmt,
    io::{self, BufRead},
};

use serde::{
    Deserialize, Deserializer as _,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    columns::{Column, Naming},
    csv::Cells,
};

/// Reads line by line; of a line that is too long nothing is kept.
pub struct Lines<R> {
    input: R,
    longest: usize,
    line: u64,
}

/// A line's number, and whether it was longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub number: u64,
    pub too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub const fn new(input: R, longest: usize) -> Self {
        Self { input, longest, line: 0 }
    }

    /// The line that was read last.
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next line that is not blank; `None` at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Option<Line>> {
        loop {
            into.clear();
            let mut too_long = false;
            let mut begun = false;
            let mut ended = false;
            while !ended {
                let chunk = match self.input.fill_buf() {
                    Ok(chunk) => chunk,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                if chunk.is_empty() {
                    break;
                }
                begun = true;
                let end = chunk.iter().position(|b| *b == b'\n');
                let part = &chunk[..end.unwrap_or(chunk.len())];
                too_long = too_long || into.len() + part.len() > self.longest;
                if too_long {
                    into.clear();
                } else {
                    into.extend_from_slice(part);
                }
                ended = end.is_some();
                let used = part.len() + usize::from(ended);
                self.input.consume(used);
            }
            if !begun {
                return Ok(None);
            }
            self.line += 1;
            if too_long || !into.trim_ascii().is_empty() {
                return Ok(Some(Line { number: self.line, too_long }));
            }
        }
    }
}

/// Reads an object's cells and what each means.
///
/// # Errors
/// With what is wrong, never with a value.
pub fn read_object(
    text: &str,
    naming: &Naming,
    columns: &mut Vec<Column>,
    cells: &mut Cells,
) -> Result<(), String> {
    columns.clear();
    cells.clear();
    let mut fault = None;
    let object = Object { naming, columns, cells, fault: &mut fault };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(object).and_then(|()| json.end());
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(match error.classify() {
            serde_json::error::Category::Data => "is JSON, but not an object".into(),
            serde_json::error::Category::Eof => "is cut off".into(),
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => {
                format!("is not JSON from its byte {} on", error.column())
            }
        }),
    }
}

struct Object<'a> {
    naming: &'a Naming,
    columns: &'a mut Vec<Column>,
    cells: &'a mut Cells,
    fault: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let raw = map.next_value::<&'de RawValue>()?;
            if let Err(fault) = self.put(&key, raw.get()) {
                *self.fault = Some(fault);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

impl Object<'_> {
    fn put(&mut self, key: &str, raw: &str) -> Result<(), String> {
        let Some(column) = self.naming.column(key) else {
            return Err(self.naming.unknown_key(key));
        };
        if let Column::Field(field) = &column
            && self.columns.contains(&column)
        {
            return Err(format!("holds `{}` twice", field.word()));
        }
        match (&column, raw.as_bytes().first()) {
            (Column::Ignored, _) | (_, Some(b'n')) => return Ok(()),
            (_, Some(b'"')) => {
                let inner = raw.trim_matches('"');
                if inner.len() + 2 == raw.len() && !inner.contains('\\') {
                    self.cells.push(inner);
                } else {
                    let text: String =
                        serde_json::from_str(raw).map_err(|_| "is not JSON".to_owned())?;
                    self.cells.push(&text);
                }
            }
            // as written: an id must not lose digits on its way through a float
            (_, Some(b'-' | b'0'..=b'9')) if !raw.contains(['.', 'e', 'E']) => self.cells.push(raw),
            _ => {
                return Err(format!(
                    "`{}` is not one text; give one bare value per key, and a further one as `{}_2`",
                    word(&column),
                    word(&column)
                ));
            }
        }
        self.columns.push(column);
        Ok(())
    }
}

fn word(column: &Column) -> String {
    match column {
        Column::Field(field) => field.word().into(),
        Column::Identifier(kind) => kind.word(),
        Column::Ignored => "an ignored key".into(),
    }
}

/// A key, borrowed where it holds no escape.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn check(text: &str, want: Result<&[(&str, &str)], &str>) {
        let (mut columns, mut cells) = (vec![], Cells::default());
        let naming =
            Naming::new(&["Mail=email".to_owned()], &["Name".to_owned()]).expect("a good naming");
        let read = read_object(text, &naming, &mut columns, &mut cells);
        match want {
            Ok(want) => {
                assert_eq!(read, Ok(()), "{text}");
                let texts = cells.texts().expect("text");
                let got: Vec<(String, &str)> = columns.iter().map(word).zip(texts).collect();
                let got: Vec<(&str, &str)> = got.iter().map(|(k, v)| (k.as_str(), *v)).collect();
                assert_eq!(got, want, "{text}");
            }
            Err(part) => {
                assert!(read.as_ref().is_err_and(|e| e.contains(part)), "{text}: {read:?}")
            }
        }
    }

    #[test]
    fn objects_are_read_as_written_or_refused_without_their_values() {
        check(r#"{"email":"ada@example.org"}"#, Ok(&[("email", "ada@example.org")]));
        check(
            r#" {"Mail" : "a@b.de", "Name": ["x"], "User ID": 12345678901234567890123} "#,
            Ok(&[("email", "a@b.de"), ("user_id", "12345678901234567890123")]),
        );
        check(
            r#"{"note":"say \"hi\"\u00e9", "phone": null, "language":""}"#,
            Ok(&[("note", "say \"hi\"é"), ("language", "")]),
        );
        check(r#"{"note":"\""}"#, Ok(&[("note", "\"")]));
        check(r#"{"em\u0061il":"a@b.de"}"#, Ok(&[("email", "a@b.de")]));
        check(r#"{"email":["a@b.de","c@d.de"]}"#, Err("one bare value per key"));
        check(r#"{"user_id":1.5e3}"#, Err("one bare value"));
        check(r#"{"user_id":true}"#, Err("one bare value"));
        check(r#"{"emial":"x"}"#, Err("did you mean `email`?"));
        check(r#"{"action":"erase","Action":"erase"}"#, Err("`action` twice"));
        check(r#"{"email":"canary"#, Err("is cut off"));
        check(r#"{"email":canary}"#, Err("is not JSON from its byte"));
        check(r#"["email"]"#, Err("not an object"));
        check(r#"{"email":"a"} {}"#, Err("is not JSON"));
        for bad in [r#"{"email":"canary"#, r#"{"canary@b.de":1}"#, r#"{"user_id":[ "canary" ]}"#] {
            let (mut columns, mut cells) = (vec![], Cells::default());
            let read = read_object(bad, &Naming::default(), &mut columns, &mut cells);
            assert!(read.is_err_and(|e| !e.contains("canary")), "{bad}");
        }
    }

    #[test]
    fn lines_are_counted_and_long_ones_passed_over() {
        let text = b"{}\n\n  \r\n{\"a\":1}\r\nxxxxxxxxxxxx\n{}";
        let mut lines = Lines::new(BufReader::with_capacity(3, &text[..]), 10);
        let mut buffer = vec![];
        let mut found = vec![];
        while let Some(line) = lines.read(&mut buffer).expect("memory can be read") {
            found.push((line.number, line.too_long, buffer.len()));
        }
        assert_eq!(found, [(1, false, 2), (4, false, 8), (5, true, 0), (6, false, 2)]);
    }
}
