//! Sealing and opening of what is personal, with each request's own key.

use std::sync::Arc;

use efface_core::{
    RequestId, SuppressionId, TaskId, Timestamp,
    journal::Commitment,
    outside::Chance,
    subject::{Dossier, Identifier, Value},
};
use efface_vault::{Context, Month, RequestKey, Vault, WrappedKey};

use crate::Error;

/// The vault with the randomness it needs.
pub(crate) struct Sealer {
    vault: Arc<Vault>,
    chance: Arc<dyn Chance>,
}

/// A request's sealed dossier and wrapped key, as stored.
pub(crate) struct Sealed {
    pub dossier: Vec<u8>,
    pub wrapped: WrappedKey,
}

/// What a watch keeps of a person, sealed, and its wrapped key.
pub(crate) struct SealedWatch {
    pub content: Vec<u8>,
    pub wrapped: WrappedKey,
}

/// The field a watch's content is sealed as.
const WATCH: &str = "watch";

impl Sealer {
    pub(crate) fn new(vault: Arc<Vault>, chance: Arc<dyn Chance>) -> Self {
        Self { vault, chance }
    }

    fn fill(&self) -> impl FnMut(&mut [u8]) + '_ {
        |bytes: &mut [u8]| self.chance.fill(bytes)
    }

    pub(crate) fn chance(&self) -> &dyn Chance {
        &*self.chance
    }

    pub(crate) fn digest(&self, bytes: &[u8]) -> String {
        hex::encode(self.vault.digest(bytes))
    }

    pub(crate) fn tag(&self, identifier: &Identifier) -> [u8; 32] {
        self.vault.tag(&identifier.kind.word(), identifier.normal.expose())
    }

    /// Seals a new request's dossier under a new key, which the key of this month wraps.
    pub(crate) fn seal_new(
        &self,
        request: RequestId,
        dossier: &Dossier,
        now: Timestamp,
    ) -> Result<Sealed, Error> {
        let month = month_of(now)?;
        let (key, wrapped) =
            self.vault.new_request_key(request.bytes(), &month, &mut self.fill())?;
        Ok(Sealed { dossier: self.seal_dossier(&key, request, dossier)?, wrapped })
    }

    pub(crate) fn key(
        &self,
        request: RequestId,
        wrapped: &WrappedKey,
    ) -> Result<RequestKey, Error> {
        Ok(self.vault.unwrap(request.bytes(), wrapped)?)
    }

    /// Seals whom a watch looks for under a new key of its own, which the key of this month wraps.
    pub(crate) fn seal_watch(
        &self,
        watch: TaskId,
        identifiers: &[&Identifier],
        now: Timestamp,
    ) -> Result<SealedWatch, Error> {
        let month = month_of(now)?;
        let (key, wrapped) = self.vault.new_request_key(watch.bytes(), &month, &mut self.fill())?;
        let text = zeroize_json(&identifiers)?;
        let context = Context { request_id: *watch.bytes(), field: WATCH };
        let content = key.seal(&context, text.expose().as_bytes(), &mut self.fill());
        Ok(SealedWatch { content, wrapped })
    }

    pub(crate) fn open_watch(
        &self,
        watch: TaskId,
        wrapped: &WrappedKey,
        sealed: &[u8],
    ) -> Result<Vec<Identifier>, Error> {
        let key = self.vault.unwrap(watch.bytes(), wrapped)?;
        let opened = key.open(&Context { request_id: *watch.bytes(), field: WATCH }, sealed)?;
        serde_json::from_slice(&opened)
            .map_err(|e| Error::corrupt(format!("watch of task {watch}"), e.classify_only()))
    }

    /// A wrapped key of a request, an entry or a watch, wrapped anew by the key of another month.
    pub(crate) fn rewrap(
        &self,
        owner: &[u8; 16],
        wrapped: &WrappedKey,
        month: &Month,
    ) -> Result<WrappedKey, Error> {
        let key = self.vault.unwrap(owner, wrapped)?;
        Ok(self.vault.wrap(owner, &key, month, &mut self.fill())?)
    }

    /// The tag of a hash that was made of an identifier on a caller's side.
    pub(crate) fn hash_tag(&self, kind: &str, hash: &str) -> [u8; 32] {
        self.vault.tag(&format!("sha256:{kind}"), hash)
    }

    /// A new key for an entry of the suppression list, which the key of this month wraps.
    pub(crate) fn new_entry_key(
        &self,
        entry: SuppressionId,
        now: Timestamp,
    ) -> Result<(RequestKey, WrappedKey), Error> {
        let month = month_of(now)?;
        Ok(self.vault.new_request_key(entry.bytes(), &month, &mut self.fill())?)
    }

    pub(crate) fn entry_key(
        &self,
        entry: SuppressionId,
        wrapped: &WrappedKey,
    ) -> Result<RequestKey, Error> {
        Ok(self.vault.unwrap(entry.bytes(), wrapped)?)
    }

    /// Seals a field of an entry under its own key.
    pub(crate) fn seal_entry(
        &self,
        key: &RequestKey,
        entry: SuppressionId,
        field: &str,
        text: &Value,
    ) -> Vec<u8> {
        let context = Context { request_id: *entry.bytes(), field };
        key.seal(&context, text.expose().as_bytes(), &mut self.fill())
    }

    pub(crate) fn open_entry(
        &self,
        key: &RequestKey,
        entry: SuppressionId,
        field: &str,
        sealed: &[u8],
    ) -> Result<Value, Error> {
        let context = Context { request_id: *entry.bytes(), field };
        Ok(Value::new(key.open(&context, sealed)?.text()?))
    }

    pub(crate) fn forget_month(&self, month: &Month) {
        self.vault.forget_month(month);
    }

    pub(crate) fn seal_dossier(
        &self,
        key: &RequestKey,
        request: RequestId,
        dossier: &Dossier,
    ) -> Result<Vec<u8>, Error> {
        let text = zeroize_json(dossier)?;
        Ok(key.seal(
            &Context { request_id: *request.bytes(), field: "dossier" },
            text.expose().as_bytes(),
            &mut self.fill(),
        ))
    }

    pub(crate) fn open_dossier(
        &self,
        key: &RequestKey,
        request: RequestId,
        sealed: &[u8],
    ) -> Result<Dossier, Error> {
        let opened =
            key.open(&Context { request_id: *request.bytes(), field: "dossier" }, sealed)?;
        serde_json::from_slice(&opened)
            .map_err(|e| Error::corrupt(format!("dossier of request {request}"), e.classify_only()))
    }

    pub(crate) fn seal_field(
        &self,
        key: &RequestKey,
        request: RequestId,
        task: TaskId,
        field: &str,
        value: &Value,
    ) -> Vec<u8> {
        let field = format!("{field}/{task}");
        key.seal(
            &Context { request_id: *request.bytes(), field: &field },
            value.expose().as_bytes(),
            &mut self.fill(),
        )
    }

    pub(crate) fn open_field(
        &self,
        key: &RequestKey,
        request: RequestId,
        task: TaskId,
        field: &str,
        sealed: &[u8],
    ) -> Result<Value, Error> {
        let field = format!("{field}/{task}");
        let opened = key.open(&Context { request_id: *request.bytes(), field: &field }, sealed)?;
        Ok(Value::new(opened.text()?))
    }

    pub(crate) fn seal_general(&self, purpose: &str, text: &str) -> Vec<u8> {
        self.vault.seal_general(purpose, text.as_bytes(), &mut self.fill())
    }

    pub(crate) fn open_general(&self, purpose: &str, sealed: &[u8]) -> Result<Value, Error> {
        Ok(Value::new(self.vault.open_general(purpose, sealed)?.text()?))
    }

    /// Hiding commitments to the dossier's identifiers, for the request's leaf.
    pub(crate) fn commitments(&self, dossier: &Dossier) -> Result<Vec<Commitment>, Error> {
        let mut nonce = [0; 32];
        hex::decode_to_slice(&dossier.nonce, &mut nonce).map_err(|e| Error::corrupt("nonce", e))?;
        Ok(dossier
            .identifiers
            .iter()
            .zip(0u32..)
            .map(|(identifier, position)| {
                let kind = identifier.kind.word();
                let hash =
                    efface_vault::commit(&nonce, position, &kind, identifier.normal.expose());
                Commitment { hash: hex::encode(hash), kind }
            })
            .collect())
    }
}

/// The calendar month in UTC.
pub(crate) fn month_of(at: Timestamp) -> Result<Month, Error> {
    let wrong = |e: jiff::Error| Error::corrupt("time", e);
    let date = jiff::Timestamp::from_millisecond(at.millis()).map_err(wrong)?;
    let date = date.to_zoned(jiff::tz::TimeZone::UTC);
    Ok(Month::parse(&format!("{:04}-{:02}", date.year(), date.month()))?)
}

pub(crate) fn zeroize_json<T: serde::Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_string(value)
        .map(Value::new)
        .map_err(|e| Error::corrupt("dossier", e.classify_only()))
}

/// serde_json's messages may quote the text they stumble over; only the class may pass.
pub(crate) trait ClassifyOnly {
    fn classify_only(&self) -> &'static str;
}

impl ClassifyOnly for serde_json::Error {
    fn classify_only(&self) -> &'static str {
        match self.classify() {
            serde_json::error::Category::Io => "input/output",
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Data => "JSON of another shape",
            serde_json::error::Category::Eof => "cut off",
        }
    }
}
