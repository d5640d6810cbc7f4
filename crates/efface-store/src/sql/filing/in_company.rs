//! A filing that meets other requests: of the same person, or of somebody who shares an identifier.

use std::collections::{BTreeSet, HashMap, HashSet};

use efface_core::{
    Identifier, RequestId,
    plan::{Account, Wish, plan},
    request::Request,
    task::Task,
};
use efface_vault::WrappedKey;

use super::{PreparedFiling, Writer, filing_entry};
use crate::{
    Error, Filing, NewTask, Unit,
    hot::Cell,
    sql::{
        company::{self, Earlier, Met, Stranger, Tag},
        rows::{self, task_columns},
    },
};

impl Writer<'_, '_> {
    /// Other requests of the same person go first at each account; identifiers met at a stranger
    /// are shared from now on, for both.
    pub(super) async fn with_company(
        &mut self,
        prepared: &PreparedFiling,
        met: &Met,
    ) -> Result<(), Error> {
        let sealer = self.desk.sealer;
        let mut filing = prepared.filing.clone();
        let mut dossier_bytes = prepared.sealed.dossier.clone();
        if !met.shared.is_empty() {
            company::mark_shared(sealer, &mut filing.dossier, &met.shared);
            replan(&mut filing);
            let key = sealer.key(filing.request.id, &prepared.sealed.wrapped)?;
            dossier_bytes = sealer.seal_dossier(&key, filing.request.id, &filing.dossier)?;
            for stranger in &met.strangers {
                self.share_with(*stranger, &met.shared, &filing).await?;
            }
            for tag in &met.shared {
                self.rows.shared.push([Cell::from(tag)]);
            }
        }
        let mut earlier = Earlier::default();
        for found in met.same.iter().filter(|m| m.open) {
            earlier.add(self.desk.directory, found, self.tasks_of(found.request).await?);
        }
        let mut waited_for = BTreeSet::new();
        for new in &mut filing.tasks {
            if let Some(state) = earlier.after(&new.task.account, &new.task.state, |_| false) {
                new.task.state = state;
                waited_for.extend(earlier.before(&new.task.account).map(|t| t.request));
            }
        }
        // what settles while this is written is seen by nobody: its request is looked at once more
        for request in waited_for {
            self.follow_up(request, self.desk.now);
        }
        let entry = filing_entry(sealer, &filing, self.desk.now)?;
        self.push_request(&filing.request, prepared, &dossier_bytes);
        self.push_tags(&prepared.tags, &met.shared);
        for new in &filing.tasks {
            self.rows.tasks.push(rows::new_task_cells(new, self.desk.now)?);
        }
        self.rows.journal.push(rows::entry_cells(&entry, Some(filing.request.id)));
        self.ask_for_follow_up(&filing.request);
        Ok(())
    }

    async fn tasks_of(&mut self, request: RequestId) -> Result<Vec<Task>, Error> {
        let sql = concat!("SELECT ", task_columns!(), " FROM task t WHERE t.request_id = $1");
        let found = self.tx.small(sql, &[Cell::from(request.bytes())]).await?;
        found.iter().map(|r| Ok(rows::read_task(r)?.task)).collect()
    }

    /// A stranger's request learns that an identifier is shared.
    async fn share_with(
        &mut self,
        id: RequestId,
        tags: &HashSet<Tag>,
        filing: &Filing,
    ) -> Result<(), Error> {
        let sql = "SELECT body, sealed, wrapped_key, wrapped_by, nobody_found_decided FROM request WHERE id = $1";
        let found = self.tx.small(sql, &[Cell::from(id.bytes())]).await?;
        let Some(row) = found.first() else { return Ok(()) };
        let request = rows::read_request(&row.text(0)?)?;
        if request.state.is_over() {
            return Ok(());
        }
        let wrapped = WrappedKey { bytes: row.bytes(2)?, wrapped_by: row.text(3)? };
        let key = self.desk.sealer.key(id, &wrapped)?;
        let dossier = self.desk.sealer.open_dossier(&key, id, &row.bytes(1)?)?;
        let accounts = self.accounts_of(&request, filing).await?;
        let stranger = Stranger {
            tasks: self.tasks_of(id).await?,
            nobody_found_decided: row.int(4)? != 0,
            request,
            dossier,
        };
        let mut unit = Unit::default();
        self.writing(filing).share(&mut unit, stranger, tags, &accounts)?;
        self.write_unit(unit, &HashMap::from([(id, wrapped)])).await
    }

    /// The accounts a request is planned over: its own controller's.
    async fn accounts_of(
        &mut self,
        request: &Request,
        filing: &Filing,
    ) -> Result<Vec<Account>, Error> {
        if request.controller == filing.request.controller && !filing.request.is_partial() {
            return Ok(filing.accounts.to_vec());
        }
        let mut conditions = HashMap::new();
        for row in self.tx.small("SELECT id, body FROM account", &[]).await? {
            conditions.insert(row.text(0)?, rows::decode("account", &row.text(1)?)?);
        }
        let condition = |id: &efface_core::AccountId| conditions.get(id.as_str()).cloned();
        Ok(self.desk.directory.planned_accounts(&request.controller, condition))
    }
}

/// Plans anew for identifiers whose standing changed; ids stay.
fn replan(filing: &mut Filing) {
    let identifiers: &[Identifier] = &filing.dossier.identifiers;
    let (action, scope) = (filing.request.action, filing.request.scope);
    let fresh = plan(Wish { action, scope, identifiers }, &filing.accounts);
    for NewTask { task, .. } in &mut filing.tasks {
        if let Some(planned) =
            fresh.iter().find(|p| p.account == task.account && p.action == task.action)
        {
            task.state = planned.state.clone();
            task.step = planned.step.clone();
        }
    }
}
