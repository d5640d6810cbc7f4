//! Paging and the small words of query strings.

use efface_core::RequestId;

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

/// Where the next page begins, opaque to callers.
pub fn cursor(last: RequestId) -> String {
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(last.bytes());
    hex::encode(bytes)
}

/// # Errors
/// When it is not one of ours.
pub fn after(cursor: Option<&str>) -> Result<Option<RequestId>, Problem> {
    let Some(text) = cursor else { return Ok(None) };
    let strange = || {
        Problem::invalid(
            "cursor",
            "is not a `next_cursor` of this list; leave it out to begin anew",
        )
    };
    let bytes = hex::decode(text).map_err(|_| strange())?;
    match bytes.split_first() {
        Some((&FORMAT, id)) => {
            uuid::Uuid::from_slice(id).map(|id| Some(RequestId(id))).map_err(|_| strange())
        }
        _ => Err(strange()),
    }
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
        let id = RequestId(uuid::Uuid::from_u128(77));
        assert_eq!(after(Some(&cursor(id))), Ok(Some(id)));
        assert_eq!(after(None), Ok(None));
        for strange in ["", "zz", "01", "02000102030405060708090a0b0c0d0e0f10", &id.to_string()] {
            assert!(after(Some(strange)).is_err(), "{strange}");
        }
    }
}
