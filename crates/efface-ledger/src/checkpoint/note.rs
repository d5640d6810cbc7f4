//! The signed note around a checkpoint (C2SP signed-note): text, an empty line, signature lines.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Error, key::is_name};

/// No checkpoint is longer; what is, was made to keep a reader busy.
const MAX_NOTE: usize = 64 * 1024;
const MAX_SIGNATURES: usize = 100;
const DASH: &str = "\u{2014} ";

pub(super) struct Note<'a> {
    /// What is signed, its last newline included.
    pub(super) text: &'a str,
    pub(super) signatures: Vec<Signature<'a>>,
}

pub(super) struct Signature<'a> {
    pub(super) name: &'a str,
    pub(super) id: [u8; 4],
    pub(super) bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    pub(super) fn read(note: &'a str) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { why };
        if note.len() > MAX_NOTE {
            return Err(malformed("it is longer than 64 KiB"));
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(malformed("it has control characters in it"));
        }
        let gap = note.rfind("\n\n").ok_or(malformed("it has no empty line before signatures"))?;
        let (text, signatures) = (&note[..=gap], &note[gap + 2..]);
        let lines = signatures.strip_suffix('\n').ok_or(malformed("its last line is not ended"))?;
        let signatures =
            lines.split('\n').map(Signature::read).collect::<Result<Vec<_>, Error>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(malformed("it has more than 100 signatures"));
        }
        Ok(Self { text, signatures })
    }
}

impl<'a> Signature<'a> {
    fn read(line: &'a str) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { why };
        let line = line
            .strip_prefix(DASH)
            .ok_or(malformed("a signature line does not begin with an em dash and a space"))?;
        let (name, coded) =
            line.split_once(' ').ok_or(malformed("a signature line has no signature"))?;
        if !is_name(name) {
            return Err(malformed("a signature line has no proper key name"));
        }
        let bytes =
            BASE64_STANDARD.decode(coded).map_err(|_| malformed("a signature is not base64"))?;
        let (id, bytes) = bytes
            .split_first_chunk::<4>()
            .filter(|(_, bytes)| !bytes.is_empty())
            .ok_or(malformed("a signature is too short to be one"))?;
        Ok(Self { name, id: *id, bytes: bytes.to_vec() })
    }

    /// Name and id, for a message.
    pub(super) fn key(&self) -> String {
        format!("{}+{}", self.name, hex::encode(self.id))
    }
}

/// The note of a text that ends with a newline.
pub(super) fn write(text: &str, name: &str, id: [u8; 4], signature: &[u8]) -> String {
    let coded = BASE64_STANDARD.encode([&id[..], signature].concat());
    format!("{text}\n{DASH}{name} {coded}\n")
}
