//! Carrying groups of rows to the store, two at a time, and writing down what became of each.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use anyhow::Result;
use efface_core::{ImportId, RequestId};
use efface_store::{Error, Filed, NewRequest, SqlStore};
use tokio::{sync::mpsc::Receiver, task::JoinHandle};

use super::{
    origin::{Earlier, Origin},
    reader::{Group, Parsed},
    receipt::{Outcome, Receipt},
    report::{Refusals, Sample},
    tally::{Mark, Tally, is_of_the_row, stopped},
};
use crate::{
    exit::{Exit, Failure},
    show::masked_row,
    wiring::Context,
};

/// Groups at the store at once.
const IN_FLIGHT: usize = 2;
/// Masked rows of a preview.
pub const SAMPLES: usize = 10;

/// Rows by fate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub new: u64,
    pub duplicates: u64,
    pub filed_before: u64,
    /// Of these, whose requests are over: nothing more is done for them.
    pub filed_before_over: u64,
    pub refused: u64,
}

impl Counts {
    #[must_use]
    pub const fn filed(&self) -> u64 {
        self.new + self.duplicates + self.filed_before
    }

    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.filed() + self.refused
    }
}

/// A row on its way.
struct Slot {
    line: u64,
    fate: Fate,
}

enum Fate {
    Refused(String),
    Sent { mark: Mark, masked: Option<Sample> },
}

struct Flight {
    slots: Vec<Slot>,
    answers: JoinHandle<Vec<Result<Filed, Error>>>,
}

/// The import under way.
pub struct Carrier<'a> {
    context: &'a Context,
    origin: Origin,
    pub import: Option<ImportId>,
    receipt: Option<Receipt>,
    earlier: Earlier,
    begun: bool,
    pub counts: Counts,
    pub tally: Tally,
    pub samples: Vec<Sample>,
    pub refusals: Refusals,
    /// Imports under which rows of this file were filed before.
    pub others: Vec<ImportId>,
    pub interrupted: bool,
}

impl<'a> Carrier<'a> {
    #[must_use]
    pub fn new(context: &'a Context, origin: Origin, refusals: Refusals) -> Self {
        Self {
            context,
            origin,
            import: None,
            receipt: None,
            earlier: Earlier::default(),
            begun: false,
            counts: Counts::default(),
            tally: Tally::default(),
            samples: vec![],
            refusals,
            others: vec![],
            interrupted: false,
        }
    }

    /// Takes groups until there are no more, `stop` ends, or something is in the way of all rows.
    /// What was sent to the store is waited for in any case.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn carry(
        &mut self,
        mut groups: Receiver<Result<Group<NewRequest>, Failure>>,
        mut stop: JoinHandle<()>,
    ) -> Result<()> {
        let mut flights = VecDeque::new();
        let mut carried = Ok(());
        loop {
            let group = tokio::select! {
                biased;
                _ = &mut stop => {
                    self.interrupted = true;
                    break;
                }
                group = groups.recv() => match group {
                    None => break,
                    Some(group) => group,
                },
            };
            carried = match group {
                Ok(group) => self.take(group, &mut flights).await,
                Err(failure) => Err(failure.into()),
            };
            if carried.is_err() {
                break;
            }
        }
        groups.close();
        stop.abort();
        while let Some(flight) = flights.pop_front() {
            let landed = self.land(flight).await;
            carried = carried.and(landed);
        }
        let finished = self.finish(carried.is_ok()).await;
        carried.and(finished)
    }

    async fn take(
        &mut self,
        group: Group<NewRequest>,
        flights: &mut VecDeque<Flight>,
    ) -> Result<()> {
        self.begin().await?;
        if self.origin.dry_run {
            return self.look(group).await;
        }
        if flights.len() >= IN_FLIGHT
            && let Some(flight) = flights.pop_front()
        {
            self.land(flight).await?;
        }
        flights.push_back(self.send(group).await?);
        Ok(())
    }

    /// Begins the import and its receipt with the first row.
    async fn begin(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if self.origin.dry_run {
            self.receipt = self.origin.named_receipt()?;
            return Ok(());
        }
        // a receipt that cannot be written is told before anything is stored
        self.receipt = self.origin.receipt_beside()?;
        let import = self.origin.begin_import(self.context).await?;
        if self.receipt.is_none() {
            self.receipt = Some(self.origin.receipt_of(import)?);
        }
        self.earlier = Earlier::of(self.context.store.awaiting_release(import).await?);
        self.import = Some(import);
        Ok(())
    }

    async fn send(&mut self, group: Group<NewRequest>) -> Result<Flight> {
        let mut requests = Vec::with_capacity(group.len());
        let mut slots = Vec::with_capacity(group.len());
        let mut masks = SAMPLES.saturating_sub(self.samples.len());
        for Parsed { line, read } in group {
            let fate = match read {
                Err(reason) => Fate::Refused(reason),
                Ok(mut new) => match self.tally.mark(self.context, &new).await {
                    Err(error) if is_of_the_row(&error) => Fate::Refused(error.to_string()),
                    Err(error) => return Err(stopped(line, error).into()),
                    Ok(mark) => {
                        new.import = self.import;
                        let masked = (masks > 0).then(|| Sample::of(line, &new));
                        masks = masks.saturating_sub(1);
                        requests.push(new);
                        Fate::Sent { mark, masked }
                    }
                },
            };
            slots.push(Slot { line, fate });
        }
        let store: Arc<SqlStore> = self.context.store.clone();
        let answers = tokio::spawn(async move { store.file(requests).await });
        Ok(Flight { slots, answers })
    }

    /// Waits for a group's answers and writes them down. A row whose fate is not known is not
    /// written down at all: repeating the import tells it.
    async fn land(&mut self, flight: Flight) -> Result<()> {
        let mut answers = flight.answers.await?.into_iter();
        let mut in_the_way = None;
        let mut before = None;
        for Slot { line, fate } in flight.slots {
            match fate {
                Fate::Refused(reason) => self.refuse(line, reason)?,
                Fate::Sent { mark, masked } => match answers.next() {
                    Some(Ok(Filed::Before(id)) | Err(Error::FiledBefore(id))) => {
                        let over = self.over(id).await?;
                        let filed = Filed::Before(id);
                        let foreign = self.filed(line, &filed, mark, masked, over)?;
                        before = foreign.filter(|_| over.is_none()).or(before);
                    }
                    Some(Ok(filed)) => {
                        self.filed(line, &filed, mark, masked, None)?;
                    }
                    Some(Err(error)) if is_of_the_row(&error) => {
                        self.refuse(line, error.to_string())?;
                    }
                    Some(Err(error)) => {
                        in_the_way.get_or_insert((line, error));
                    }
                    None => anyhow::bail!("the store gave no answer for line {line}"),
                },
            }
        }
        self.flush()?;
        if let Some(id) = before {
            self.note_other(id).await?;
        }
        match in_the_way {
            Some((line, error)) => Err(stopped(line, error).into()),
            None => Ok(()),
        }
    }

    /// Counts a filed row; the request's id when it was filed by another import.
    fn filed(
        &mut self,
        line: u64,
        filed: &Filed,
        mark: Mark,
        masked: Option<Sample>,
        over: Option<&'static str>,
    ) -> Result<Option<RequestId>> {
        let (outcome, id, reason) = match filed {
            Filed::New(id) => (Outcome::Filed, *id, String::new()),
            Filed::Duplicate { id, of } => (
                Outcome::Duplicate,
                *id,
                format!("the same person and wish as request {of}, which is open"),
            ),
            Filed::Before(id) => {
                let nothing = |state| format!("that request is {state}: nothing more is done");
                (Outcome::FiledBefore, *id, over.map(nothing).unwrap_or_default())
            }
        };
        let mut foreign = None;
        let is_waiting = match filed {
            Filed::New(_) => {
                self.counts.new += 1;
                true
            }
            Filed::Duplicate { .. } => {
                self.counts.duplicates += 1;
                false
            }
            Filed::Before(id) => {
                self.counts.filed_before += 1;
                self.counts.filed_before_over += u64::from(over.is_some());
                let met = self.earlier.meet(*id);
                foreign = met.is_none().then_some(*id);
                met == Some(true)
            }
        };
        if is_waiting {
            self.tally.count(mark);
            if self.samples.len() < SAMPLES {
                self.samples.extend(masked.map(|m| m.filed_as(id)));
            }
        }
        if let Some(receipt) = &mut self.receipt {
            receipt.row(line, outcome, Some(id), &reason)?;
        }
        Ok(foreign)
    }

    fn refuse(&mut self, line: u64, reason: String) -> Result<()> {
        self.counts.refused += 1;
        if let Some(receipt) = &mut self.receipt {
            receipt.row(line, Outcome::Refused, None, &reason)?;
        }
        self.refusals.add(line, reason)
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(receipt) = &mut self.receipt {
            receipt.flush()?;
        }
        self.refusals.tick(self.counts.rows());
        Ok(())
    }

    /// A dry run: every row is planned and braked, none is filed.
    async fn look(&mut self, group: Group<NewRequest>) -> Result<()> {
        for Parsed { line, read } in group {
            let looked = match read {
                Err(reason) => Err(reason),
                Ok(new) => match self.context.store.plan(&new).await {
                    Err(error) if is_of_the_row(&error) => Err(error.to_string()),
                    Err(error) => return Err(stopped(line, error).into()),
                    Ok(_) => Ok(new),
                },
            };
            match looked {
                Err(reason) => self.refuse(line, reason)?,
                Ok(new) => {
                    let mark = self.tally.mark(self.context, &new).await?;
                    self.tally.count(mark);
                    self.counts.new += 1;
                    if self.samples.len() < SAMPLES {
                        self.samples.push(Sample::of(line, &new));
                    }
                    if let Some(receipt) = &mut self.receipt {
                        receipt.row(line, Outcome::WouldFile, None, "")?;
                    }
                }
            }
        }
        self.flush()
    }

    /// How the request of a row that was filed before ended; `None` when it is open.
    async fn over(&self, id: RequestId) -> Result<Option<&'static str>> {
        let state = self.context.store.request(id).await?.request.state;
        Ok(state.is_over().then(|| state.word()))
    }

    async fn note_other(&mut self, id: RequestId) -> Result<()> {
        let import = self.context.store.request(id).await?.request.import;
        if let Some(other) = import.filter(|i| Some(*i) != self.import)
            && !self.others.contains(&other)
        {
            self.others.push(other);
        }
        Ok(())
    }

    /// Closes the receipt, and the import when all its rows were read.
    async fn finish(&mut self, whole: bool) -> Result<()> {
        self.refusals.done();
        if let Some(receipt) = self.receipt.take() {
            self.origin.receipt = Some(receipt.path.clone());
            receipt.close()?;
        }
        if let (Some(import), true, false) = (self.import, whole, self.interrupted) {
            let counts = self.counts;
            let (rows, filed, refused) = (counts.rows(), counts.filed(), counts.refused);
            self.context
                .store
                .finish_import(import, rows, filed, refused, &self.context.actor)
                .await?;
        }
        Ok(())
    }

    /// Where the receipt was written.
    #[must_use]
    pub fn receipt_path(&self) -> Option<&PathBuf> {
        self.origin.receipt.as_ref().filter(|_| self.begun)
    }

    /// The file without a single row.
    #[must_use]
    pub fn no_rows(&self, name: &str) -> Option<Failure> {
        let empty = self.counts.rows() == 0 && !self.interrupted;
        empty
            .then(|| Failure::new(Exit::Failed, format!("{name} holds no rows; nothing was filed")))
    }
}

impl Sample {
    fn of(line: u64, new: &NewRequest) -> Self {
        Self {
            line,
            request: None,
            action: new.action.word(),
            scope: new.scope.map(efface_core::Scope::word),
            identifiers: masked_row(&new.identifiers),
        }
    }

    fn filed_as(mut self, id: RequestId) -> Self {
        self.request = Some(id.to_string());
        self
    }
}
