//! The journal: each state change is in exactly one leaf, written in the change's own transaction.
//!
//! A leaf's body is JSON with a format number, kept as the very bytes that are hashed. What moves
//! many tasks by one cause is one entry; its items stand under a sub-root (RFC 6962 §2.1 tree), so
//! that a pack can show one person's item and a path.

mod commitment;
mod leaf;
mod replay;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    EntryId, EvidenceLevel, OrderId, RequestId, SuppressionId, TaskId, Timestamp,
    manifest::StepId,
    order::Order,
    request::Request,
    scan::Scan,
    suppression::{Stand, Suppression},
    task::{Task, TaskState},
    watch::Watch,
};

pub use commitment::{check_opening, commitment};
pub use leaf::{Leaf, SubTree};
pub use replay::Replay;

/// The format written; readers take this and the one before.
pub const FORMAT: u16 = 1;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// RFC 6962 §2.1: `SHA-256(0x00 || leaf)`.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// RFC 6962 §2.1: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// RFC 6962 §2.1 Merkle tree hash of `leaves` (already leaf hashes).
#[must_use]
pub fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        many => {
            let split = (many.len().div_ceil(2)).next_power_of_two();
            node_hash(&tree_hash(&many[..split]), &tree_hash(&many[split..]))
        }
    }
}

/// What is nothing is not written down: a reader takes it for nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(crate) const fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// A hiding commitment to one identifier, in the leaf of the request's filing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    pub kind: String,
    /// Hex.
    pub hash: String,
}

/// What one entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum About {
    RequestFiled {
        request: Box<Request>,
        commitments: Vec<Commitment>,
    },
    /// `event` says what happened; `after` is the request as it stands now.
    RequestMoved {
        event: String,
        after: Box<Request>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        commitments: Vec<Commitment>,
    },
    OrderSent {
        order: Box<Order>,
    },
    OrderAnswered {
        order: OrderId,
        status: Option<u16>,
        evidence: Vec<crate::evidence::Evidence>,
    },
    OrderUnknown {
        order: OrderId,
        why: String,
    },
    ReceiptPolled {
        order: OrderId,
        evidence: Vec<crate::evidence::Evidence>,
    },
    /// So many people of an order are wanted back; written before the vendor is asked.
    RecallWanted {
        order: OrderId,
        people: u32,
        /// Of how many an earlier answer was lost.
        in_doubt: u32,
    },
    /// The vendor was asked to take tasks of an order back.
    RecallAsked {
        order: OrderId,
        answer: String,
        evidence: Vec<crate::evidence::Evidence>,
    },
    LookedUp {
        account: String,
        evidence: Vec<crate::evidence::Evidence>,
    },
    LateAnswer {
        order: OrderId,
        status: Option<u16>,
        note: String,
    },
    TasksMoved {
        cause: String,
    },
    AccountChanged {
        account: String,
        change: String,
        by: String,
    },
    DeskClosed {
        subject: String,
        decision: String,
        by: String,
        note: String,
    },
    /// What happened to these watches; each as it stands now, and what the look rests on.
    WatchMoved {
        event: String,
        watches: Vec<Watch>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<crate::evidence::Evidence>,
    },
    /// The record of a request ended when its months were over: its rows are gone, and of these
    /// entries, which spoke of nobody else, the hash alone is kept.
    RecordEnded {
        request: RequestId,
        entries: Vec<EntryId>,
    },
    ImportTaken {
        import: String,
        rows: u64,
        filed: u64,
        refused: u64,
    },
    KeyChanged {
        key: String,
        change: String,
        by: String,
    },
    /// `event` says what happened to an entry of the suppression list; `entry` is as it stands now,
    /// `accounts` what is known of those that it was about.
    SuppressionMoved {
        event: String,
        entry: Box<Suppression>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        accounts: Vec<Stand>,
    },
    /// A vendor's list was held against the suppression list: the scan as it stands now, and the entries
    /// whose people were put on the desk with this leaf.
    ListScanned {
        event: String,
        scan: Box<Scan>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        found: Vec<SuppressionId>,
    },
    /// A database that was set back goes on under a new name. The leaves before this one are those of
    /// the log before; its newest checkpoint kept outside stands here, and covers leaves that are lost.
    LogBegun {
        log: String,
        /// The verifier key of the log before.
        before: String,
        /// The signed note, verbatim.
        checkpoint: String,
        /// How many leaves the older copy had.
        leaves: u64,
    },
    /// What a named person did about a database that was set back.
    Restored {
        change: String,
        by: String,
    },
    Note {
        text: String,
    },
}

/// One task's change inside an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskChange {
    pub task: TaskId,
    pub event: String,
    pub version: u32,
    pub generation: u32,
    pub step: StepId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    pub evidence: EvidenceLevel,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sent: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_marked: bool,
    pub state: TaskState,
    /// The constant part, once, when the task is written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub born: Option<Born>,
    /// What the vendor's answer for this person rests on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub because: Option<crate::evidence::Evidence>,
}

/// The part of a task that never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Born {
    pub request: RequestId,
    pub account: crate::AccountId,
    pub action: crate::TaskAction,
    pub scope: Option<crate::Scope>,
}

impl TaskChange {
    #[must_use]
    pub fn of(task: &Task, event: &str) -> Self {
        Self {
            task: task.id,
            event: event.to_owned(),
            version: task.version,
            generation: task.generation,
            step: task.step.clone(),
            failures: task.failures,
            evidence: task.evidence,
            sent: task.sent,
            cancel_marked: task.cancel_marked,
            state: task.state.clone(),
            born: None,
            because: None,
        }
    }

    #[must_use]
    pub fn because(mut self, evidence: Option<crate::evidence::Evidence>) -> Self {
        self.because = evidence;
        self
    }

    #[must_use]
    pub fn birth(task: &Task, event: &str) -> Self {
        let born = Born {
            request: task.request,
            account: task.account.clone(),
            action: task.action,
            scope: task.scope,
        };
        Self { born: Some(born), ..Self::of(task, event) }
    }
}

/// One entry, ready to be stored: the leaf's bytes and the items' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    pub at: Timestamp,
    /// The leaf: these bytes are hashed, and never encoded again.
    pub body: String,
    /// JSON lines, one [`TaskChange`] each; under the sub-root named in the body. Empty when none.
    pub items: String,
}

#[derive(Serialize, Deserialize)]
struct Body {
    format: u16,
    id: EntryId,
    at: Timestamp,
    actor: String,
    #[serde(flatten)]
    about: About,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    items: Option<Items>,
}

#[derive(Serialize, Deserialize)]
struct Items {
    count: u32,
    root: String,
}

/// A stored entry that cannot be read or does not agree with itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("journal entry {entry} cannot be read: {source}")]
    Unreadable { entry: String, source: serde_json::Error },
    #[error("journal entry {entry} has format {format}; this version reads up to {FORMAT}")]
    Newer { entry: EntryId, format: u16 },
    #[error("journal entry {entry}: its items do not add up to the sub-root in its leaf")]
    SubRoot { entry: EntryId },
    #[error("journal: task {task} goes from version {from} to {to}")]
    Gap { task: TaskId, from: u32, to: u32 },
}

impl Entry {
    /// Encodes an entry. Encoding plain data cannot fail; a failure would be a defect and yields a
    /// body that no reader accepts.
    #[must_use]
    pub fn new(
        id: EntryId,
        at: Timestamp,
        actor: &str,
        about: About,
        changes: &[TaskChange],
    ) -> Self {
        let lines: Vec<String> = changes.iter().map(encode).collect();
        let items = (!lines.is_empty()).then(|| Items {
            count: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            root: hex::encode(sub_root(lines.iter().map(String::as_str))),
        });
        let body = Body { format: FORMAT, id, at, actor: actor.to_owned(), about, items };
        Self { id, at, body: encode(&body), items: lines.join("\n") }
    }

    /// Reads a stored entry back and checks its items against the sub-root.
    ///
    /// # Errors
    /// [`Error`] when it is unreadable, newer, or does not agree with itself.
    pub fn read(body: &str, items: &str) -> Result<ReadEntry, Error> {
        let read = Body::read(body)?;
        let lines: Vec<&str> = items.lines().collect();
        let agrees = match &read.items {
            None => lines.is_empty(),
            Some(stated) => {
                usize::try_from(stated.count).is_ok_and(|n| n == lines.len())
                    && stated.root == hex::encode(sub_root(lines.iter().copied()))
            }
        };
        if !agrees {
            return Err(Error::SubRoot { entry: read.id });
        }
        let changes = lines
            .iter()
            .map(|l| TaskChange::read(read.id, l))
            .collect::<Result<Vec<TaskChange>, Error>>()?;
        Ok(ReadEntry { id: read.id, at: read.at, actor: read.actor, about: read.about, changes })
    }

    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(self.body.as_bytes())
    }
}

fn encode<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn sub_root<'a>(lines: impl Iterator<Item = &'a str>) -> Hash {
    let hashes: Vec<Hash> = lines.map(|l| leaf_hash(l.as_bytes())).collect();
    tree_hash(&hashes)
}

/// A decoded entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadEntry {
    pub id: EntryId,
    pub at: Timestamp,
    pub actor: String,
    pub about: About,
    pub changes: Vec<TaskChange>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_rfc_6962s() {
        // RFC 6962 test vectors as published with certificate-transparency implementations
        assert_eq!(
            hex::encode(tree_hash(&[])),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let leaves: Vec<Hash> = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ]
        .iter()
        .map(|h| leaf_hash(&hex::decode(h).expect("hex")))
        .collect();
        for (n, want) in [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(hex::encode(tree_hash(&leaves[..n])), want, "{n} leaves");
        }
    }

    #[test]
    fn an_entry_whose_item_was_touched_is_refused() {
        let id = EntryId(uuid::Uuid::from_u128(1));
        let task = crate::task::tests::sample();
        let entry = Entry::new(
            id,
            Timestamp::from_millis(5),
            "test",
            About::TasksMoved { cause: "phase opened".into() },
            &[TaskChange::birth(&task, "planned")],
        );
        let read = Entry::read(&entry.body, &entry.items).expect("reads");
        let mut replay = Replay::default();
        replay.take(read).expect("replays");
        assert_eq!(replay.tasks.get(&task.id), Some(&task));
        let touched = entry.items.replace("\"generation\":1", "\"generation\":2");
        assert!(matches!(Entry::read(&entry.body, &touched), Err(Error::SubRoot { .. })));
        assert!(matches!(Entry::read(&entry.body, ""), Err(Error::SubRoot { .. })));
    }
}
