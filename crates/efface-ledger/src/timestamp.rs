//! Time stamps over checkpoints (RFC 3161): the question to a time-stamping authority, and what its
//! answer must say to count.
//!
//! An answer is checked for its form, for the digest of what was stamped, for the nonce and for its
//! time. The authority's signature is *not* checked here, for its chain leads to a root that only the
//! reader can trust: `openssl ts -verify`, or any other reader of RFC 3161, does that from the stored
//! answer, the checkpoint's file and the authority's certificate.

use std::time::Duration;

use der::{
    AnyRef, DateTime, Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _,
    asn1::ObjectIdentifier,
};
use efface_core::Timestamp;
use sha2::{Digest as _, Sha256};

/// What a question is sent as.
pub const QUESTION: &str = "application/timestamp-query";
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 8;
/// A stamp whose time is further from ours is of another day, or our clock is wrong.
const APART: Duration = Duration::from_secs(24 * 3600);

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// SEQUENCE, version 1, SEQUENCE { SEQUENCE { SHA-256, NULL }, OCTET STRING of 32 bytes }
const BEFORE_DIGEST: [u8; 24] = [
    0x30, 0x43, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
    0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];
/// INTEGER of eight bytes
const BEFORE_NONCE: [u8; 2] = [0x02, 0x08];
/// certReq: TRUE, so that a stranger finds the certificate in the answer
const AFTER_NONCE: [u8; 3] = [0x01, 0x01, 0xff];

/// What makes one question's answer no other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// From drawn bytes; two of the bits are fixed, so that it is one positive number of eight bytes.
    #[must_use]
    pub fn new(mut drawn: [u8; NONCE_BYTES]) -> Self {
        drawn[0] = (drawn[0] & 0x3f) | 0x40;
        Self(drawn)
    }
}

/// A time stamp that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The authority's time, to the second.
    pub at: Timestamp,
}

/// An answer that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the answer is no time stamp: {what}")]
    Malformed { what: &'static str },
    /// PKIStatus (RFC 3161 §2.4.2); the words are the authority's.
    #[error("the authority refused: status {status}{}", told(words))]
    Refused { status: u8, words: String },
    #[error("the time stamp is of something else: its digest is not the checkpoint's")]
    OtherContent,
    #[error("the time stamp answers another question: its nonce is not ours")]
    OtherNonce,
    #[error("the time stamp says {stamped}, and the clock here says {here}: more than a day apart")]
    OtherDay { stamped: String, here: String },
}

fn told(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}

/// The question for a stamp over `content`, in DER.
#[must_use]
pub fn question(content: &[u8], nonce: Nonce) -> Vec<u8> {
    let digest = Sha256::digest(content);
    [&BEFORE_DIGEST[..], &digest, &BEFORE_NONCE, &nonce.0, &AFTER_NONCE].concat()
}

/// Reads an answer that was just given.
///
/// # Errors
/// [`Error`], with what is wrong: whatever is not a granted stamp over `content` with this nonce and
/// within a day of `now` does not count.
pub fn answer(bytes: &[u8], content: &[u8], nonce: Nonce, now: Timestamp) -> Result<Stamp, Error> {
    let read = read(bytes, content)?;
    if read.nonce != Some(&nonce.0[..]) {
        return Err(Error::OtherNonce);
    }
    let at = read.at;
    if at.since(now).max(now.since(at)) > APART {
        return Err(Error::OtherDay { stamped: at.utc_date(), here: now.utc_date() });
    }
    Ok(Stamp { at })
}

/// Reads an answer that was kept: of its time and nonce nothing is known any more.
///
/// # Errors
/// As [`answer`].
pub fn kept(bytes: &[u8], content: &[u8]) -> Result<Stamp, Error> {
    read(bytes, content).map(|read| Stamp { at: read.at })
}

struct Read<'a> {
    at: Timestamp,
    nonce: Option<&'a [u8]>,
}

/// `TimeStampResp`. Sets are passed over unread: authorities do not agree on the order of their
/// members, and their meaning is the signature's.
fn read<'a>(bytes: &'a [u8], content: &[u8]) -> Result<Read<'a>, Error> {
    let mut response = inside(whole(bytes)?, Tag::Sequence, "it is no TimeStampResp")?;
    let mut status = next(&mut response, Tag::Sequence, "it has no status")?;
    granted(&mut status)?;
    let mut token = next(&mut response, Tag::Sequence, "it has no token")?;
    ends(&response, "something follows the token")?;
    identifies(&mut token, SIGNED_DATA, "its token is no signed data")?;
    let mut explicit = next(&mut token, context(0), "its token is empty")?;
    let mut signed = next(&mut explicit, Tag::Sequence, "its token is no signed data")?;
    number(&mut signed)?;
    next(&mut signed, Tag::Set, "its token names no digests")?;
    let mut content_info = next(&mut signed, Tag::Sequence, "its token signs nothing")?;
    has_signature(&mut signed)?;
    identifies(&mut content_info, TST_INFO, "its token signs no time stamp")?;
    let mut explicit = next(&mut content_info, context(0), "its token signs nothing")?;
    let octets = part(&mut explicit)?;
    if octets.tag() != Tag::OctetString {
        return Err(malformed("its token signs no time stamp"));
    }
    let info = inside(whole(octets.value())?, Tag::Sequence, "its time stamp is no TSTInfo")?;
    stamp(info, content)
}

/// `PKIStatusInfo`: granted, or granted with changes that are looked at below.
fn granted(status: &mut SliceReader<'_>) -> Result<(), Error> {
    let number = number(status)?;
    if number <= 1 {
        return Ok(());
    }
    let mut words = String::new();
    if let Ok(mut texts) = next(status, Tag::Sequence, "")
        && let Ok(text) = part(&mut texts)
    {
        let readable = String::from_utf8_lossy(text.value());
        words = readable.chars().filter(|c| !c.is_control()).take(200).collect();
    }
    Err(Error::Refused { status: number, words })
}

/// What follows in `SignedData`: certificates, which were asked for, and who signed.
fn has_signature(signed: &mut SliceReader<'_>) -> Result<(), Error> {
    let (mut certificates, mut signers) = (false, false);
    while !signed.is_finished() {
        let part = part(signed)?;
        certificates |= part.tag() == context(0) && !part.value().is_empty();
        signers |= part.tag() == Tag::Set && !part.value().is_empty();
    }
    match (certificates, signers) {
        (true, true) => Ok(()),
        (_, false) => Err(malformed("nobody signed it")),
        (false, true) => Err(malformed("it holds no certificate to verify it with")),
    }
}

/// `TSTInfo`
fn stamp<'a>(mut info: SliceReader<'a>, content: &[u8]) -> Result<Read<'a>, Error> {
    number(&mut info)?;
    part(&mut info)?; // the authority's policy
    let mut imprint = next(&mut info, Tag::Sequence, "its time stamp names no digest")?;
    let mut algorithm = next(&mut imprint, Tag::Sequence, "its time stamp names no digest")?;
    let is_sha256 = identifies(&mut algorithm, SHA256, "").is_ok();
    if !is_sha256 || part(&mut imprint)?.value() != &Sha256::digest(content)[..] {
        return Err(Error::OtherContent);
    }
    part(&mut info)?; // the serial number
    let time = part(&mut info)?;
    if time.tag() != Tag::GeneralizedTime {
        return Err(malformed("its time stamp has no time"));
    }
    let at = seconds(time.value()).ok_or_else(|| malformed("its time cannot be read"))?;
    let mut nonce = None;
    while !info.is_finished() {
        let part = part(&mut info)?;
        if part.tag() == Tag::Integer {
            nonce = Some(part.value());
        }
    }
    Ok(Read { at, nonce })
}

/// `YYYYMMDDhhmmss[.f…]Z` (RFC 3161 §2.4.2)
fn seconds(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let two = |at: usize| whole[at..at + 2].parse::<u8>().ok();
    let year = whole[..4].parse().ok()?;
    let date = DateTime::new(year, two(4)?, two(6)?, two(8)?, two(10)?, two(12)?).ok()?;
    Some(Timestamp::from_millis(i64::try_from(date.unix_duration().as_millis()).ok()?))
}

const fn malformed(what: &'static str) -> Error {
    Error::Malformed { what }
}

const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

fn whole(bytes: &[u8]) -> Result<AnyRef<'_>, Error> {
    AnyRef::from_der(bytes).map_err(|_| malformed("it cannot be read as DER"))
}

fn part<'a>(reader: &mut SliceReader<'a>) -> Result<AnyRef<'a>, Error> {
    AnyRef::decode(reader).map_err(|_| malformed("it breaks off, or is no DER"))
}

fn inside<'a>(any: AnyRef<'a>, tag: Tag, what: &'static str) -> Result<SliceReader<'a>, Error> {
    if any.tag() != tag {
        return Err(malformed(what));
    }
    SliceReader::new(any.value()).map_err(|_| malformed(what))
}

fn next<'a>(
    reader: &mut SliceReader<'a>,
    tag: Tag,
    what: &'static str,
) -> Result<SliceReader<'a>, Error> {
    match reader.is_finished() {
        true => Err(malformed(what)),
        false => inside(part(reader)?, tag, what),
    }
}

fn ends(reader: &SliceReader<'_>, what: &'static str) -> Result<(), Error> {
    if reader.is_finished() { Ok(()) } else { Err(malformed(what)) }
}

fn number(reader: &mut SliceReader<'_>) -> Result<u8, Error> {
    u8::decode(reader).map_err(|_| malformed("a number is missing"))
}

fn identifies(
    reader: &mut SliceReader<'_>,
    wanted: ObjectIdentifier,
    what: &'static str,
) -> Result<(), Error> {
    match ObjectIdentifier::decode(reader) {
        Ok(found) if found == wanted => Ok(()),
        Ok(_) | Err(_) => Err(malformed(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    #[test]
    fn a_question_is_what_the_standard_says() {
        let asked = question(b"a checkpoint", Nonce::new([0xff; NONCE_BYTES]));
        let mut read = inside(whole(&asked).expect("DER"), Tag::Sequence, "").expect("a sequence");
        assert_eq!(number(&mut read), Ok(1));
        let mut imprint = next(&mut read, Tag::Sequence, "").expect("an imprint");
        let mut algorithm = next(&mut imprint, Tag::Sequence, "").expect("an algorithm");
        identifies(&mut algorithm, SHA256, "").expect("SHA-256");
        assert!(part(&mut algorithm).expect("parameters").is_null());
        let digest = part(&mut imprint).expect("a digest");
        assert_eq!(digest.value(), &Sha256::digest(b"a checkpoint")[..]);
        let nonce = part(&mut read).expect("a nonce");
        assert_eq!((nonce.tag(), nonce.value()[0]), (Tag::Integer, 0x7f));
        assert_eq!(bool::decode(&mut read), Ok(true));
        assert!(read.is_finished());
    }

    #[test]
    fn what_is_no_answer_is_refused_and_never_panics() {
        let nonce = Nonce::new([7; NONCE_BYTES]);
        let check = |bytes: &[u8], wanted: Error| {
            assert_eq!(answer(bytes, b"a", nonce, NOW), Err(wanted), "{bytes:02x?}");
        };
        check(b"", malformed("it cannot be read as DER"));
        check(b"<html>", malformed("it cannot be read as DER"));
        check(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], malformed("it cannot be read as DER"));
        check(&[0x04, 0], malformed("it is no TimeStampResp"));
        check(&[0x30, 0], malformed("it has no status"));
        check(&[0x30, 5, 0x30, 3, 2, 1, 0], malformed("it has no token"));
        let words = *b"\x30\x0c\x30\x0a\x02\x01\x02\x30\x05\x0c\x03\x1bno";
        check(&words, Error::Refused { status: 2, words: "no".into() });
        let asked = question(b"a", nonce);
        for end in 0..asked.len() {
            assert!(answer(&asked[..end], b"a", nonce, NOW).is_err());
        }
    }

    #[test]
    fn times_are_read_with_and_without_fractions() {
        let at = |text: &str| seconds(text.as_bytes()).map(Timestamp::millis);
        assert_eq!(at("20261118112640Z"), Some(1_795_001_200_000));
        assert_eq!(at("20261118112640.123Z"), at("20261118112640Z"));
        for wrong in
            ["", "Z", "20261118112640", "20261318112640Z", "2026111811264Z", "20261118112640.Z"]
        {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
