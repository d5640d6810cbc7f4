//! Doors of a watch: how it stands, and a person's explanation of it.

use efface_core::{
    RequestId, TaskId,
    desk::DeskItem,
    journal::About,
    watch::{Event, Explanation, Watch, apply},
};

use crate::{
    DeskClose, Error, SqlStore, Unit, WatchWrite,
    hot::Cell,
    sql::{decode_row, watch},
};

impl SqlStore {
    /// A request's watches, in the order of their tasks.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn watches(&self, request: RequestId) -> Result<Vec<Watch>, Error> {
        watch::of_requests(&self.database, std::iter::once(&request)).await
    }

    async fn load_watch(&self, task: TaskId) -> Result<Watch, Error> {
        let sql = "SELECT body FROM watch WHERE task_id = $1";
        let found = self.database.rows(sql, &[Cell::from(task.bytes())]).await?;
        let row = found.first().ok_or_else(|| Error::NotFound {
            what: "watch",
            id: task.to_string(),
            list: "desk",
        })?;
        decode_row("watch", &row.text(0)?)
    }

    /// Puts on record how a person comes to be seen again. Nothing is sent for it: whoever should go
    /// again is filed anew.
    pub(crate) async fn explain(
        &self,
        task: TaskId,
        item: &DeskItem,
        explanation: Explanation,
        note: &str,
        by: &str,
    ) -> Result<(), Error> {
        self.until_fresh(|| async {
            let watch = self.load_watch(task).await?;
            let (by, note) = (by.to_owned(), note.to_owned());
            let event = Event::Explained { explanation, by: by.clone(), note };
            let moved = apply(&watch, &event, self.now())
                .map_err(|refusal| Error::Refused(refusal.to_string()))?;
            let about = About::WatchMoved {
                event: explanation.word().into(),
                watches: vec![moved.watch.clone()],
                because: None,
            };
            let mut unit = Unit::default();
            unit.entries.push(self.entry(&by, about, &[], Some(watch.request)));
            unit.desk_closes.push(DeskClose {
                subject: item.subject.clone(),
                reason: Some(item.reason.word()),
                by,
                how: explanation.word().into(),
                at: self.now(),
            });
            unit.watches.push(WatchWrite { read_version: watch.version, watch: moved.watch });
            Ok((unit, ()))
        })
        .await
    }
}
