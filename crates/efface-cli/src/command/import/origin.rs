//! Where the rows come from: which import they belong to, and where its receipt goes.

use std::path::PathBuf;

use anyhow::Result;
use efface_core::{ImportId, RequestId};
use efface_store::Store as _;

use super::{
    receipt::{Receipt, default_path},
    source::hash_of,
};
use crate::{exit::Failure, wiring::Context};

/// What is known of the file before its rows are read.
pub struct Origin {
    /// As typed.
    pub path: PathBuf,
    /// Set where the file can be read twice.
    pub file: Option<PathBuf>,
    /// The options that change what a row means.
    pub options: String,
    pub receipt: Option<PathBuf>,
    pub dry_run: bool,
}

impl Origin {
    /// The receipt a person named.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub fn named_receipt(&self) -> Result<Option<Receipt>, Failure> {
        let named = self.receipt.clone();
        named.map(|path| Receipt::begin(path, &self.path)).transpose()
    }

    /// The receipt a person named, else the one beside the file; none for what is no file.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub fn receipt_beside(&self) -> Result<Option<Receipt>, Failure> {
        let beside = self.file.as_ref().map(|file| default_path(file, None));
        let path = self.receipt.clone().or(beside);
        path.map(|path| Receipt::begin(path, &self.path)).transpose()
    }

    /// The receipt named after its import.
    ///
    /// # Errors
    /// When it cannot be written here.
    pub fn receipt_of(&self, import: ImportId) -> Result<Receipt, Failure> {
        Receipt::begin(default_path(&self.path, Some(import)), &self.path)
    }

    /// The same file under the same options is the same import; what can be read only once is told
    /// apart by its time.
    ///
    /// # Errors
    /// When the file cannot be read or the database cannot be written.
    pub async fn begin_import(&self, context: &Context) -> Result<ImportId> {
        let (name, content) = match &self.file {
            Some(file) => {
                let to_hash = file.clone();
                let hash = tokio::task::spawn_blocking(move || hash_of(&to_hash)).await??;
                let name = file.file_name().unwrap_or(file.as_os_str());
                (name.to_string_lossy().into_owned(), hex::encode(hash))
            }
            None => {
                let at = context.now();
                ("standard input".to_owned(), format!("{at} {}", std::process::id()))
            }
        };
        let text = format!("import\n{content}\n{}", self.options);
        // keyed: the bare hash of a short file could be guessed
        let digest = context.store.digest(text.as_bytes());
        Ok(context.store.begin_import(&name, &digest, &context.actor).await?)
    }
}

/// The import's own rows from an earlier run that still wait for release.
#[derive(Default)]
pub struct Earlier {
    ids: Vec<RequestId>,
    met: Vec<bool>,
}

impl Earlier {
    /// From ids in their order.
    #[must_use]
    pub fn of(ids: Vec<RequestId>) -> Self {
        Self { met: vec![false; ids.len()], ids }
    }

    /// Whether `id` is met for the first time; `None` when it is not one of them.
    pub fn meet(&mut self, id: RequestId) -> Option<bool> {
        let at = self.ids.binary_search(&id).ok()?;
        self.met.get_mut(at).map(|met| !std::mem::replace(met, true))
    }
}
