//! Blind tampering: every bit of an archive, any byte of what is in it.

use std::io::Cursor;

use efface_ledger::{
    Pack,
    pack::{self, verify},
};
use proptest::prelude::*;

use crate::{
    packs::written,
    story::{HERS, journal},
    tampering::key,
};

#[test]
fn one_flipped_bit_anywhere_in_the_archive_is_noticed() {
    let pack = journal().pack(&HERS);
    let good = written(&pack);
    let key = key();
    let mut changed = good.clone();
    for byte in 0..good.len() {
        for bit in 0..8 {
            changed[byte] ^= 1 << bit;
            let noticed = match pack::read(Cursor::new(&changed)) {
                Err(_) => true,
                Ok(read) => !verify(&read, &key).is_verified(),
            };
            assert!(noticed, "bit {bit} of byte {byte} of {}", good.len());
            changed[byte] ^= 1 << bit;
        }
    }
    for length in 0..good.len() {
        assert!(pack::read(&good[..length]).is_err(), "cut to {length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whoever touches a byte also mends digests and checksums: the proofs notice.
    #[test]
    fn one_changed_byte_never_verifies_as_the_same(part in 0usize..4, at: prop::sample::Index, to: u8) {
        let good = journal().pack(&HERS);
        let mut pack = good.clone();
        let change = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = to;
            String::from_utf8(bytes).ok()
        };
        match part {
            0 => {
                let nth = at.index(pack.leaves.len());
                let line = serde_json::to_string(&pack.leaves[nth]).unwrap();
                let Some(Ok(leaf)) = change(&line).map(|l| serde_json::from_str(&l)) else { return Ok(()) };
                pack.leaves[nth] = leaf;
            }
            1 => {
                let Some(checkpoint) = change(&pack.checkpoint) else { return Ok(()) };
                pack.checkpoint = checkpoint;
            }
            2 => {
                let Some(request) = change(&pack.request) else { return Ok(()) };
                pack.request = request;
            }
            _ => {
                let text = serde_json::to_string(&pack.opening).unwrap();
                let Some(Ok(opening)) = change(&text).map(|t| serde_json::from_str(&t)) else { return Ok(()) };
                pack.opening = opening;
            }
        }
        let proven = |pack: &Pack| {
            let request: Option<serde_json::Value> = serde_json::from_str(&pack.request).ok();
            (pack.leaves.clone(), pack.checkpoint.clone(), pack.opening.clone(), request.map(|r| r["request"].clone()))
        };
        prop_assert!(!verify(&pack, &key()).is_verified() || proven(&pack) == proven(&good));
        // what could be written is read back as it was
        let mut bytes = vec![];
        if pack::write(&pack, &mut bytes).is_ok() {
            prop_assert_eq!(pack::read(Cursor::new(bytes)).ok(), Some(pack));
        }
    }

    #[test]
    fn no_archive_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 0usize..400) {
        let good = written(&journal().pack(&HERS[..1]));
        let mixed = [&good[..keep.min(good.len())], &bytes[..]].concat();
        prop_assert!(pack::read(Cursor::new(mixed)).is_err());
    }
}
