//! How long a journal of a million leaves takes to verify, and to give positions in batches:
//! `cargo run --release -p efface-ledger --example million_leaves`.

use std::{collections::BTreeMap, time::Instant};

use efface_core::journal::{Hash, leaf_hash};
use efface_ledger::{
    Checkpoint, Frontier, Signer,
    log::{self, Verdict},
    tree::{Error, TileId, inclusion_proof, verify_inclusion},
};

const LEAVES: u64 = 1_000_000;
const BATCH: usize = 1_000;

/// A body of about 600 bytes, no two alike.
fn body(n: u64) -> String {
    let mut body = format!(r#"{{"format":1,"id":"{n:032x}","at":1800000000000,"actor":"worker""#);
    while body.len() < 598 {
        body.push_str(r#","cause":"confirmed""#);
    }
    body.truncate(598);
    body.push_str("\"}");
    body
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = act();
    println!("{what:<58} {:>9.3} s", start.elapsed().as_secs_f64());
    done
}

fn main() {
    let bodies: Vec<String> = (0..LEAVES).map(body).collect();
    let bytes: usize = bodies.iter().map(String::len).sum();
    println!("{LEAVES} leaves of {} bytes", bytes / bodies.len());

    let (frontier, tiles) = timed("positions given in batches of 1000, tiles kept", || {
        let mut frontier = Frontier::default();
        let mut tiles: BTreeMap<TileId, Vec<Hash>> = BTreeMap::new();
        for batch in bodies.chunks(BATCH) {
            let hashes: Vec<Hash> = batch.iter().map(|b| leaf_hash(b.as_bytes())).collect();
            let changed = frontier.append(&tiles, &hashes).expect("its own tiles");
            tiles.extend(changed.into_iter().map(|tile| (tile.id, tile.hashes)));
        }
        (frontier, tiles)
    });
    let signer = Signer::new("efface.example.org/log", &[7; 32].into()).expect("a good name");
    let note = signer.sign(frontier.size(), &frontier.root());
    let signed = Checkpoint::open(&note, signer.verifier()).expect("just signed");

    let whole = Verdict::Whole { signed: LEAVES, unsigned: 0 };
    let leaves = || bodies.iter().map(Ok::<_, Error>);
    let none = None::<&BTreeMap<TileId, Vec<Hash>>>;
    let verdict = timed("verified against the checkpoint", || {
        log::verify(leaves(), signed.clone(), none).expect("no tiles")
    });
    assert_eq!(verdict, whole);
    let verdict = timed("verified against checkpoint and stored hashes", || {
        log::verify(leaves(), signed.clone(), Some(&tiles)).expect("all tiles")
    });
    assert_eq!(verdict, whole);
    let proofs = timed("10000 inclusion proofs made", || {
        let step = LEAVES / 10_000;
        let made = (0..LEAVES).step_by(step as usize);
        made.map(|n| (n, inclusion_proof(&tiles, n, LEAVES).expect("in the tree")))
            .collect::<Vec<_>>()
    });
    timed("10000 inclusion proofs verified", || {
        for (n, proof) in &proofs {
            let leaf = leaf_hash(bodies[*n as usize].as_bytes());
            verify_inclusion(&leaf, *n, LEAVES, proof, &signed.root).expect("it is there");
        }
    });
}
