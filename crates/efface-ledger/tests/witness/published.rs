//! Implementations by others (signed_note, tlog_tiles) accept what we make, and we what they make.

use base64::{Engine, prelude::BASE64_STANDARD};
use efface_core::journal::{leaf_hash, tree_hash};
use efface_ledger::{
    Checkpoint, Pack, VerifierKey,
    checkpoint::Error,
    pack::verify,
    tree::{TileId, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion},
};
use signed_note::{Note, Signer as _, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{
    HashReader as _, Tile as TheirTile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, record_hash, tree_hash as their_tree_hash,
};

use crate::{
    checkpoints::{ORIGIN, signer},
    story::{HERS, journal},
    trees::{Shelf, grown, hashes},
};

struct Served(Shelf);

impl TileReader for Served {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[TheirTile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &TheirTile| {
            let id = TileId { level: tile.level(), index: tile.level_index() };
            Ok(self.0[&id][..tile.width() as usize].concat())
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _tiles: &[TheirTile], _data: &[Vec<u8>]) {}
}

fn theirs(hashes: &[[u8; 32]]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().copied().map(tlog_tiles::Hash).collect()
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| hash.0).collect()
}

#[test]
fn leaves_are_hashed_alike() {
    for leaf in [&b""[..], b"a", &[7; 1000]] {
        assert_eq!(record_hash(leaf).0, leaf_hash(leaf));
    }
}

#[test]
fn proofs_and_tiles_of_one_serve_the_other() {
    for size in [1u64, 2, 3, 7, 8, 255, 256, 257, 300, 511, 513, 66_000] {
        let leaves = hashes(size);
        let (frontier, shelf) = grown(&leaves);
        let root = frontier.root();
        let served = Served(shelf.clone());
        // their reader checks every tile of ours against the root it is given
        let reader = TileHashReader::new(size, tlog_tiles::Hash(root), &served);
        assert_eq!(their_tree_hash(size, &reader).unwrap().0, root, "{size}");
        assert!(reader.read_hashes(&[0]).is_ok());

        for index in [0, size / 3, size / 2, size.saturating_sub(2), size - 1] {
            let leaf = leaves[index as usize];
            let proof = inclusion_proof(&shelf, index, size).unwrap();
            let their_root = tlog_tiles::Hash(root);
            check_record(&theirs(&proof), size, their_root, index, tlog_tiles::Hash(leaf)).unwrap();
            let proof_of_theirs = ours(&prove_record(size, index, &reader).unwrap());
            verify_inclusion(&leaf, index, size, &proof_of_theirs, &root).unwrap();
            assert_eq!(proof, proof_of_theirs, "{index} of {size}");
        }
        for old in [1, size.div_ceil(3), size.div_ceil(2), size] {
            let before = tree_hash(&leaves[..old as usize]);
            let proof = consistency_proof(&shelf, old, size).unwrap();
            let (then, now) = (tlog_tiles::Hash(before), tlog_tiles::Hash(root));
            check_tree(&theirs(&proof), size, now, old, then).unwrap();
            let proof_of_theirs = ours(&prove_tree(size, old, &reader).unwrap());
            verify_consistency(old, &before, size, &root, &proof_of_theirs).unwrap();
            assert_eq!(proof, proof_of_theirs, "{old} in {size}");
        }
    }
}

#[test]
fn the_tiles_that_change_are_theirs() {
    let leaves = hashes(70_000);
    for (old, new) in [(0, 1), (0, 300), (100, 101), (255, 257), (256, 600), (65_500, 66_000)] {
        let (mut frontier, shelf) = grown(&leaves[..old]);
        let changed = frontier.append(&shelf, &leaves[old..new]).unwrap();
        let mut found: Vec<_> = changed
            .iter()
            .map(|tile| (tile.id.level, tile.id.index, tile.hashes.len() as u32))
            .collect();
        found.sort_unstable();
        // they publish a partial tile beside the full ones it lies before; so do we
        let mut wanted: Vec<_> = TheirTile::new_tiles(8, old as u64, new as u64)
            .iter()
            .map(|tile| (tile.level(), tile.level_index(), tile.width()))
            .collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{old} to {new}");
    }
}

#[test]
fn they_open_our_checkpoints() {
    let signer = signer(ORIGIN, 1);
    let root = tree_hash(&hashes(3));
    let note = signer.sign(3, &root);
    let verifier = StandardVerifier::new(&signer.verifier().to_string()).unwrap();
    let read = Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, _) = read.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(verified.len(), 1);
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size(), checkpoint.hash().0), (ORIGIN, 3, root));
    let made = Checkpoint { origin: ORIGIN.into(), size: 3, root };
    assert_eq!(checkpoint.to_bytes(), made.body().into_bytes());

    let other = crate::checkpoints::signer(ORIGIN, 2).verifier().to_string();
    let verifier = StandardVerifier::new(&other).unwrap();
    assert!(read.verify(&VerifierList::new(vec![Box::new(verifier)])).is_err());
}

/// Our test key in their hands.
fn their_signer() -> StandardSigner {
    let short = signer(ORIGIN, 1).verifier().short();
    let secret = BASE64_STANDARD.encode([&[1][..], &[1; 32]].concat());
    StandardSigner::new(&format!("PRIVATE+KEY+{short}+{secret}")).expect("well-formed")
}

#[test]
fn we_open_their_checkpoints() {
    let (ours, theirs) = (signer(ORIGIN, 1), their_signer());
    let vkey = ours.verifier().to_string();
    assert_eq!(format!("{:08x}", theirs.key_id()), vkey.split('+').nth(1).unwrap());

    let root = tree_hash(&hashes(9));
    let body = tlog_tiles::Checkpoint::new(ORIGIN, 9, tlog_tiles::Hash(root), "").unwrap();
    let mut note = Note::new(&body.to_bytes(), &[]).unwrap();
    note.add_sigs(&[&theirs]).unwrap();
    let note = String::from_utf8(note.to_bytes()).unwrap();
    assert_eq!(note, ours.sign(9, &root), "Ed25519 has one signature for one text");
    let key: VerifierKey = vkey.parse().unwrap();
    let opened = Checkpoint::open(&note, &key).unwrap();
    assert_eq!(opened, Checkpoint { origin: ORIGIN.into(), size: 9, root });
}

#[test]
fn a_checkpoint_of_another_log_is_refused_even_under_our_key() {
    let key = signer(ORIGIN, 1).verifier().clone();
    let body = tlog_tiles::Checkpoint::new("other.example.org", 9, tlog_tiles::Hash([7; 32]), "");
    let mut note = Note::new(&body.unwrap().to_bytes(), &[]).unwrap();
    note.add_sigs(&[&their_signer()]).unwrap();
    let note = String::from_utf8(note.to_bytes()).unwrap();
    let found = "other.example.org".to_owned();
    let refused = Error::OtherOrigin { found, wanted: ORIGIN.into() };
    assert_eq!(Checkpoint::open(&note, &key), Err(refused));
    let pack = Pack { checkpoint: note, ..journal().pack(&HERS) };
    let said = verify(&pack, &key).to_string();
    assert!(said.contains("FAILS    the checkpoint is of the key's log"), "{said}");
}

#[test]
fn a_verifier_key_made_by_their_rules_is_read() {
    // golang.org/x/mod/sumdb/note: the key of Go's checksum database
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    let key: VerifierKey = text.parse().unwrap();
    assert_eq!(key.to_string(), text);
    assert!(StandardVerifier::new(text).is_ok());
}
