//! The `Idempotency-Key` header: a call repeated with the same key and body gets the first answer
//! again; the same key with another body is refused.
//!
//! Two guards stand behind it. The *filing key* goes into the database with the request itself, so
//! that nothing is filed twice, whoever asks and whatever crashes. The *kept answer* makes the replay
//! exact; answers are written in groups a moment after the call was answered and stand in memory
//! until then. Where a crash ate one, the request itself is compared and answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName};
use efface_store::{KeptAnswer, SqlStore, Store as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedMutexGuard, mpsc};

use crate::problem::{Kind, Problem};

pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const LONGEST: usize = 255;
/// How many answers may wait to be written.
const WAITING: usize = 8192;
/// The most answers of one write.
const GROUP: usize = 1024;
/// Between two writes: every one of them costs a disk flush that filings could use.
const PAUSE: Duration = Duration::from_millis(25);

/// A key as a caller sent it, told apart from the same text of another caller or operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    scope: String,
}

impl Key {
    /// The key of a call, where it has one.
    ///
    /// # Errors
    /// When it is not 1 to 255 visible ASCII characters, or given twice.
    pub fn of(headers: &HeaderMap, operation: &str, caller: &str) -> Result<Option<Self>, Problem> {
        let mut given = headers.get_all(&HEADER).iter();
        let Some(first) = given.next() else { return Ok(None) };
        let visible = |b: &u8| (0x21..=0x7e).contains(b);
        let good = (1..=LONGEST).contains(&first.len()) && first.as_bytes().iter().all(visible);
        if !good || given.next().is_some() {
            return Err(Problem::invalid(
                "Idempotency-Key",
                "must be given once, as 1 to 255 visible ASCII characters",
            ));
        }
        let text = first.to_str().unwrap_or_default();
        Ok(Some(Self { scope: format!("{operation}\n{caller}\n{text}") }))
    }

    /// The mark by which the store refuses the same filing again.
    pub fn filing_key(&self, store: &SqlStore, index: usize) -> [u8; 32] {
        let mut mark = [0; 32];
        let digest = store.digest(format!("api filing\n{}\n{index}", self.scope).as_bytes());
        // the digest is 32 bytes of hex by construction
        let _ = hex::decode_to_slice(digest, &mut mark);
        mark
    }
}

/// The hash by which a body is known again.
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    body_hash: [u8; 32],
    pub answer: String,
}

impl Kept {
    /// # Errors
    /// When the key came with another body before.
    pub fn check(&self, body_hash: &[u8; 32]) -> Result<(), Problem> {
        if self.body_hash == *body_hash { Ok(()) } else { Err(reused()) }
    }
}

pub fn reused() -> Problem {
    Problem::new(
        Kind::KeyReused,
        "this key came with another body before; take a new key for a new request",
    )
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Kept>>>>;
type Slots = Arc<Mutex<HashMap<String, Slot>>>;

/// Answers on their way into the database, and calls under way.
pub struct Answers {
    slots: Slots,
    keeper: Mutex<Option<mpsc::Sender<KeptAnswer>>>,
    done: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Answers {
    pub fn start(store: Arc<SqlStore>) -> Self {
        let slots = Slots::default();
        let (keeper, inbox) = mpsc::channel(WAITING);
        let task = tokio::spawn(keep(store, inbox, slots.clone()));
        Self { slots, keeper: Mutex::new(Some(keeper)), done: tokio::sync::Mutex::new(Some(task)) }
    }

    /// Waits until no other call of this process is under way with the key.
    pub async fn turn(&self, key: &Key) -> Turn<'_> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(key.scope.clone()).or_default().clone()
        };
        let held = slot.clone().lock_owned().await;
        Turn { answers: self, scope: key.scope.clone(), slot, held }
    }

    /// The answer kept in the database.
    pub async fn stored(&self, store: &SqlStore, key: &Key) -> Result<Option<Kept>, Problem> {
        let found = store.idempotent_answer(&key.scope).await?;
        Ok(found.map(|(body_hash, _, answer)| Kept { body_hash, answer }))
    }

    /// Writes what waits and takes no more.
    pub async fn flush(&self) {
        drop(self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(task) = self.done.lock().await.take()
            && task.await.is_err()
        {
            tracing::warn!("answers waiting to be kept for replay were lost");
        }
    }
}

/// One call's turn with its key.
pub struct Turn<'a> {
    answers: &'a Answers,
    scope: String,
    slot: Slot,
    held: OwnedMutexGuard<Option<Arc<Kept>>>,
}

impl Turn<'_> {
    /// The answer of the call before, where it is not in the database yet.
    pub fn before(&self) -> Option<Arc<Kept>> {
        self.held.clone()
    }

    /// Keeps this call's answer.
    pub async fn keep(mut self, body_hash: [u8; 32], status: u16, answer: &str) {
        let keeper = {
            let keeper = self.answers.keeper.lock().unwrap_or_else(PoisonError::into_inner);
            keeper.clone()
        };
        let Some(keeper) = keeper else { return };
        let kept = Kept { body_hash, answer: answer.to_owned() };
        let row =
            KeptAnswer { key: self.scope.clone(), body_hash, status, answer: answer.to_owned() };
        *self.held = Some(Arc::new(kept));
        if keeper.send(row).await.is_err() {
            *self.held = None;
        }
    }
}

/// A call that kept nothing leaves no trace.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.held.is_none() {
            let mut slots = self.answers.slots.lock().unwrap_or_else(PoisonError::into_inner);
            if slots.get(&self.scope).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot)) {
                slots.remove(&self.scope);
            }
        }
    }
}

/// Writes answers in groups until nobody can send any more.
async fn keep(store: Arc<SqlStore>, mut inbox: mpsc::Receiver<KeptAnswer>, slots: Slots) {
    let mut group = Vec::with_capacity(GROUP);
    while inbox.recv_many(&mut group, GROUP).await > 0 {
        if let Err(error) = store.keep_answers(&group).await {
            // nothing is filed twice without them; a replay is answered from the request
            tracing::warn!(%error, answers = group.len(), "answers could not be kept for replay");
        }
        {
            let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
            group.iter().for_each(|kept| drop(slots.remove(&kept.key)));
        }
        group.clear();
        if !inbox.is_closed() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_key_is_visible_ascii_and_belongs_to_its_caller() {
        let longest = "k".repeat(255);
        let too_long = "k".repeat(256);
        for (texts, good) in [
            (vec!["a"], true),
            (vec!["\"8e03978e-40d5\""], true),
            (vec![longest.as_str()], true),
            (vec![too_long.as_str()], false),
            (vec![""], false),
            (vec!["a b"], false),
            (vec!["a", "a"], false),
        ] {
            let mut headers = HeaderMap::new();
            for text in &texts {
                headers.append(HEADER, HeaderValue::from_str(text).expect("header"));
            }
            assert_eq!(Key::of(&headers, "file", "shop").is_ok(), good, "{texts:?}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(Key::of(&headers, "file", "shop"), Ok(None));
        headers.insert(HEADER, HeaderValue::from_static("k"));
        let of = |caller| Key::of(&headers, "file", caller).expect("good");
        assert_ne!(of("shop"), of("other"));
        assert_eq!(of("shop"), of("shop"));
    }

    #[tokio::test]
    async fn a_call_that_failed_leaves_nothing_and_one_that_was_answered_is_written() {
        let rig = crate::testing::Rig::new().await;
        let answers = Answers::start(rig.store.clone());
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static("k"));
        let key = Key::of(&headers, "file", "shop").expect("good").expect("given");
        drop(answers.turn(&key).await);
        assert!(answers.slots.lock().expect("lock").is_empty());
        answers.turn(&key).await.keep([7; 32], 201, "{}").await;
        assert!(answers.turn(&key).await.before().is_none_or(|kept| kept.answer == "{}"));
        answers.flush().await;
        let stored = answers.stored(&rig.store, &key).await.expect("read").expect("kept");
        assert_eq!(stored.answer, "{}");
        assert!(stored.check(&[7; 32]).is_ok());
        assert!(stored.check(&[8; 32]).is_err());
        assert!(answers.slots.lock().expect("lock").is_empty());
    }
}
