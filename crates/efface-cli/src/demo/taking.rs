//! Temporary import of the demo's file.
use std::path::{Path, PathBuf};
use anyhow::Result;
use efface_core::{ImportId, Identifier, IdentifierKind, Provenance, ControllerId};
use efface_store::{NewRequest, Proof};
use crate::wiring::Context;
pub struct Taken { pub import: ImportId, pub rows: u64, pub filed: u64, pub refused: u64, pub receipt: PathBuf }
pub async fn take_file(context: &Context, file: &Path, by: &str) -> Result<Taken> {
    let text = std::fs::read_to_string(file)?;
    let import = context.store.begin_import("people.csv", &format!("{}", text.len()), by).await?;
    let (mut rows, mut refused) = (0u64, 0u64);
    let mut all = vec![];
    for line in text.lines().skip(1) {
        rows += 1;
        let c: Vec<&str> = line.split(',').collect();
        let proof = (!c[6].is_empty()).then(|| Proof { how: c[6].into(), by: by.into() });
        let mut ids = vec![];
        let mut bad = false;
        for (k, v) in [(IdentifierKind::Email, c[9]), (IdentifierKind::Phone, c[10]), (IdentifierKind::UserId, c[11])] {
            if v.is_empty() { continue; }
            match Identifier::parse(k, v, Provenance::Stated, None) { Ok(i) => ids.push(i), Err(_) => bad = true }
        }
        if bad { refused += 1; continue; }
        let mut new = NewRequest::new(ControllerId::new(c[3])?, c[1].parse()?, ids, by);
        new.scope = if c[2].is_empty() { None } else { Some(c[2].parse()?) };
        new.proof = proof; new.import = Some(import);
        new.requester.relation = c[4].parse()?;
        new.filing_key = Some(context.store.filing_key(&new.controller, line));
        all.push(new);
    }
    let mut filed = 0;
    for outcome in context.store.file(all).await { if outcome.is_ok() { filed += 1 } else { refused += 1 } }
    Ok(Taken { import, rows, filed, refused, receipt: file.to_owned() })
}
