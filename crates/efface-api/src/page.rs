//! Paging and the small words of query strings.

use efface_core::Timestamp;

use crate::problem::Problem;

/// The most rows of one answer.
pub const MOST: u32 = 200;
const USUAL: u32 = 50;
/// The format a cursor begins with.
const FORMAT: u8 = 1;

/// How many rows are wanted.
///
/// # Errors
/// When it is not a number from 1 to 200.
pub fn limit(text: Option<&str>) -> Result<u32, Problem> {
    let Some(text) = text else { return Ok(USUAL) };
    let number = text.parse().ok().filter(|n| (1..=MOST).contains(n));
    number.ok_or_else(|| Problem::invalid("limit", format!("must be a number from 1 to {MOST}")))
}

/// A yes or no.
///
/// # Errors
/// When it is neither.
pub fn flag(name: &str, text: Option<&str>) -> Result<bool, Problem> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::invalid(name, "must be true or false")),
    }
}

/// A word or name that reads as `T`.
///
/// # Errors
/// With `wanted` when it does not.
pub fn read<T: std::str::FromStr>(
    name: &str,
    text: Option<&str>,
    wanted: &str,
) -> Result<Option<T>, Problem> {
    let unreadable = || Problem::invalid(name, format!("must be {wanted}"));
    text.map(|text| text.parse().map_err(|_| unreadable())).transpose()
}

/// What a list is ordered by: the last row's place is where the next page begins.
pub trait Place: Sized {
    fn bytes(&self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Place for uuid::Uuid {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

impl Place for (Timestamp, uuid::Uuid) {
    fn bytes(&self) -> Vec<u8> {
        [&self.0.millis().to_be_bytes()[..], self.1.as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (at, id) = bytes.split_first_chunk::<8>()?;
        let id = uuid::Uuid::from_slice(id).ok()?;
        Some((Timestamp::from_millis(i64::from_be_bytes(*at)), id))
    }
}

/// Where the next page begins, opaque to callers.
pub fn cursor(last: &impl Place) -> String {
    hex::encode([&[FORMAT][..], &last.bytes()].concat())
}

/// # Errors
/// When it is not one of this list's.
pub fn after<P: Place>(cursor: Option<&str>) -> Result<Option<P>, Problem> {
    let Some(text) = cursor else { return Ok(None) };
    let bytes = hex::decode(text).unwrap_or_default();
    let place = bytes.strip_prefix(&[FORMAT]).and_then(P::read);
    let why = "is not a `next_cursor` of this list; leave it out to begin anew";
    place.map(Some).ok_or_else(|| Problem::invalid("cursor", why))
}

/// Takes one row more than a page holds off again; the cursor of the next page, if there is one.
pub fn cut<T, P: Place>(rows: &mut Vec<T>, limit: u32, place: impl Fn(&T) -> P) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| more).map(|last| cursor(&place(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_within_bounds() {
        for (text, want) in [
            (None, Some(USUAL)),
            (Some("1"), Some(1)),
            (Some("200"), Some(200)),
            (Some("0"), None),
            (Some("201"), None),
            (Some("-1"), None),
            (Some("many"), None),
            (Some(""), None),
        ] {
            assert_eq!(limit(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn a_cursor_reads_back_and_a_strange_one_is_refused() {
        let id = uuid::Uuid::from_u128(77);
        assert_eq!(after(Some(&cursor(&id))), Ok(Some(id)));
        assert_eq!(after::<uuid::Uuid>(None), Ok(None));
        let place = (Timestamp::from_millis(-5), id);
        assert_eq!(after(Some(&cursor(&place))), Ok(Some(place)));
        // a cursor of one list is none of another
        assert!(after::<uuid::Uuid>(Some(&cursor(&place))).is_err());
        assert!(after::<(Timestamp, uuid::Uuid)>(Some(&cursor(&id))).is_err());
        for strange in ["", "zz", "01", "02000102030405060708090a0b0c0d0e0f10", &id.to_string()] {
            assert!(after::<uuid::Uuid>(Some(strange)).is_err(), "{strange}");
        }
    }
}
