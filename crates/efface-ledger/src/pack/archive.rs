//! The archive: ZIP without compression (APPNOTE 6.3, §4.3), in one layout to the byte.
//!
//! Reading takes an archive apart by the sizes it states, writes what was found again, and wants the
//! same bytes. So there is one archive per set of parts: no second directory, no hidden entry, no name
//! but ours, nothing that inflates, and no bit without meaning.

use std::io::Read;

use super::{Error, Parts, parts::PART_NAMES};

/// No pack is larger.
pub const MAX_ARCHIVE: usize = 96 * 1024 * 1024;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
/// Bytes of a local header before the name.
const LOCAL_HEADER: usize = 30;
/// Made on Unix, by version 2.0: with it, unpacked files get the rights below.
const MADE_BY: u16 = (3 << 8) | 20;
const NEEDS: u16 = 20;
/// 1 January 1980, the first day there is: the archive tells no time.
const DATE: u16 = (1 << 5) | 1;
/// A plain file, rw-r--r--.
const RIGHTS: u32 = 0o100_644 << 16;

pub(super) fn encode(parts: &Parts) -> Result<Vec<u8>, Error> {
    let too_large = || Error::TooLarge { what: "archive", most: MAX_ARCHIVE };
    let (mut out, mut directory, mut count) = (vec![], vec![], 0u16);
    for (name, bytes) in parts.iter() {
        let offset = u32::try_from(out.len()).map_err(|_| too_large())?;
        let size = u32::try_from(bytes.len()).map_err(|_| too_large())?;
        let shared = shared(name, size, crc32fast::hash(bytes));
        out.extend(LOCAL);
        out.extend(&shared);
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(CENTRAL);
        directory.extend(MADE_BY.to_le_bytes());
        directory.extend(&shared);
        // no comment, the first disk, binary
        directory.extend([0; 6]);
        directory.extend(RIGHTS.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
        count += 1;
    }
    let offset = u32::try_from(out.len()).map_err(|_| too_large())?;
    let size = u32::try_from(directory.len()).map_err(|_| too_large())?;
    out.extend(directory);
    out.extend(END);
    out.extend([0; 4]);
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend([0; 2]);
    if out.len() > MAX_ARCHIVE { Err(too_large()) } else { Ok(out) }
}

/// What local header and directory say alike: version, flags, method, time, date, CRC, both sizes,
/// length of the name and of nothing more.
fn shared(name: &str, size: u32, crc: u32) -> Vec<u8> {
    let mut out = vec![];
    out.extend(NEEDS.to_le_bytes());
    out.extend([0; 2]);
    out.extend([0; 2]);
    out.extend([0; 2]);
    out.extend(DATE.to_le_bytes());
    out.extend(crc.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend((name.len() as u16).to_le_bytes());
    out.extend([0; 2]);
    out
}

pub(super) fn decode(input: impl Read) -> Result<Parts, Error> {
    let mut bytes = vec![];
    input.take(MAX_ARCHIVE as u64 + 1).read_to_end(&mut bytes).map_err(Error::Io)?;
    if bytes.len() > MAX_ARCHIVE {
        return Err(Error::TooLarge { what: "archive", most: MAX_ARCHIVE });
    }
    if !bytes.starts_with(&LOCAL) {
        return Err(Error::NotAnArchive);
    }
    let mut parts = Parts::default();
    let mut rest = &bytes[..];
    while rest.starts_with(&LOCAL) {
        rest = entry(rest, &mut parts)?;
    }
    if encode(&parts)? == bytes {
        return Ok(parts);
    }
    Err(Error::Layout { why: "its directory or headers differ" })
}

/// Takes one entry off the front.
fn entry<'a>(rest: &'a [u8], parts: &mut Parts) -> Result<&'a [u8], Error> {
    let cut = Error::Layout { why: "an entry is cut off" };
    let Some((header, rest)) = rest.split_first_chunk::<LOCAL_HEADER>() else { return Err(cut) };
    let number = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
    };
    if header[8..10] != [0; 2] {
        return Err(Error::Layout { why: "an entry is compressed" });
    }
    let (crc, size) = (number(14), number(18));
    let name_size = usize::from(u16::from_le_bytes([header[26], header[27]]));
    let Some((name, rest)) = rest.split_at_checked(name_size) else { return Err(cut) };
    let Some((bytes, rest)) = rest.split_at_checked(size) else { return Err(cut) };
    let name = String::from_utf8_lossy(name);
    let Some(part) = PART_NAMES.into_iter().find(|part| *part == name) else {
        return Err(Error::Stranger { name: name.chars().take(80).collect() });
    };
    if crc32fast::hash(bytes) as usize != crc {
        return Err(Error::Altered { part, by: "its checksum" });
    }
    parts.add(part, bytes.to_vec())?;
    Ok(rest)
}
