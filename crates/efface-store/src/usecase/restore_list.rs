//! The suppression list of a database that was set back: what is saved of its entries is written again.

use efface_core::{
    SuppressionId,
    journal::About,
    restore::{Again, Saved, SavedEntry, again},
};

use crate::{Error, Listing, SqlStore, Unit, sql::list};

/// Entries written in one transaction.
const AT_ONCE: usize = 100;

/// What became of the saved entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntriesAgain {
    /// Written again by their tags alone.
    pub written: u64,
    pub lifted: u64,
    /// Known to the older copy by fewer tags.
    pub completed: u64,
}

impl SqlStore {
    /// Writes again what is saved of the suppression list: entries that the older copy does not know,
    /// as hash-only ones, and lifts. Whoever is killed begins anew and finds what is done.
    ///
    /// # Errors
    /// When no restoration is under way, or the database cannot be written.
    pub async fn restore_entries(&self, saved: &Saved, by: &str) -> Result<EntriesAgain, Error> {
        if self.open_restore().await?.is_none() {
            return Err(Error::Refused("no restoration is under way".into()));
        }
        let all: Vec<(&SuppressionId, &SavedEntry)> = saved.entries.iter().collect();
        let mut done = EntriesAgain::default();
        for some in all.chunks(AT_ONCE) {
            let more = self.until_fresh(|| self.some_again(some, by)).await?;
            done.written += more.written;
            done.lifted += more.lifted;
            done.completed += more.completed;
        }
        Ok(done)
    }

    async fn some_again(
        &self,
        some: &[(&SuppressionId, &SavedEntry)],
        by: &str,
    ) -> Result<(Unit, EntriesAgain), Error> {
        let (mut unit, mut done) = (Unit::default(), EntriesAgain::default());
        for (id, saved) in some {
            let known = list::entry(&self.database, **id).await?;
            let tags = match &known {
                Some(_) => list::saved_tags(&self.database, **id).await?,
                None => vec![],
            };
            let known = known.as_ref().map(|entry| (entry, tags.as_slice()));
            let Some(again) = again(**id, saved, known, by, self.now())? else { continue };
            match (again.read_version(), again.is_lift()) {
                (_, true) => done.lifted += 1,
                (0, false) => done.written += 1,
                (_, false) => done.completed += 1,
            }
            self.write_again(&mut unit, again, by);
        }
        Ok((unit, done))
    }

    fn write_again(&self, unit: &mut Unit, again: Again, by: &str) {
        let (read_version, is_empty) = (again.read_version(), again.is_lift());
        let about = About::SuppressionMoved {
            event: again.event.into(),
            entry: Box::new(again.entry.clone()),
            accounts: vec![],
        };
        unit.entries.push(self.entry(by, about, &[], None));
        unit.listings.push(Listing {
            read_version,
            entry: again.entry,
            from: None,
            identifiers: vec![],
            tags: again.tags,
            stands: vec![],
            is_empty,
        });
    }
}
