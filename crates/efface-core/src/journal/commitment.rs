//! Opening a commitment: whether a hash in a leaf was made to a given identifier.
//!
//! A commitment is `SHA-256(0x02 || opening || len(kind) || kind || len(value) || value)`, lengths as
//! eight bytes, big-endian. 0x02 keeps it apart from leaves (0x00) and nodes (0x01). The opening is
//! random to whoever does not hold the request's nonce, so the hash alone leads to nobody.

use sha2::{Digest, Sha256};

use super::Hash;

const DOMAIN: u8 = 0x02;

/// The commitment to an identifier under its opening.
#[must_use]
pub fn commitment(opening: &[u8; 32], kind: &str, normalised: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update([DOMAIN]);
    hash.update(opening);
    for part in [kind, normalised] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether `commitment` was made to this identifier. Anybody holding the opening can check it,
/// without any key.
#[must_use]
pub fn check_opening(made: &Hash, opening: &[u8; 32], kind: &str, normalised: &str) -> bool {
    commitment(opening, kind, normalised) == *made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_this_hash_and_no_other() {
        let made = commitment(&[9; 32], "email", "ada@example.org");
        assert_eq!(
            hex::encode(made),
            "4e7bf4677b3ba2f89c01601280f61be68644f2097a04102edd84d75c83055fde"
        );
        // the vector that the safe's test has for its third opening
        let mut opening = [0; 32];
        hex::decode_to_slice(
            "ac0793a2d4dde2f03420017933373214c8d0ae2dc34be1559229dd0c1c5a27c7",
            &mut opening,
        )
        .expect("hex");
        assert_eq!(
            hex::encode(commitment(&opening, "email", "ada@example.org")),
            "99e62d6c6e498802c10da08700eef1e58ea1071fd7ef93dc7f409b444d9219cb"
        );
        for (opening, kind, value, opens) in [
            ([9; 32], "email", "ada@example.org", true),
            ([9; 32], "email", "eve@example.org", false),
            ([9; 32], "phone", "ada@example.org", false),
            ([9; 32], "emaila", "da@example.org", false),
            ([8; 32], "email", "ada@example.org", false),
        ] {
            assert_eq!(check_opening(&made, &opening, kind, value), opens, "{kind} {value}");
        }
    }
}
