//! Doors of the suppression list: add, lift, check, tell an account.

use efface_core::{
    AccountId, ControllerId, Identifier, IdentifierKind, ImportId, RequestAction, RequestId, Scope,
    SuppressionId, Timestamp,
    journal::About,
    request::Listed,
    suppression::{
        EntryState, Event, Kind, Observed, Reason, Stand, Suppression, apply, client_hash,
    },
};

use crate::{
    Error, Filed, Listing, NewRequest, SqlStore, Store, Unit, sql::list, usecase::file::check_guard,
};

/// The most identifiers of one check.
pub const MOST_CHECKED: usize = 5000;

/// Somebody to be put on the list.
#[derive(Clone, Debug)]
pub struct NewSuppression {
    pub controller: ControllerId,
    pub scope: Scope,
    pub identifiers: Vec<Identifier>,
    pub reason: Reason,
    pub note: Option<String>,
    pub legal_basis: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub by: String,
}

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    New(SuppressionId),
    /// The person stood there already, with the same scope.
    Before(SuppressionId),
}

impl Added {
    #[must_use]
    pub const fn id(self) -> SuppressionId {
        match self {
            Self::New(id) | Self::Before(id) => id,
        }
    }
}

/// Whom to look up.
#[derive(Clone, Debug)]
pub enum Asked {
    Plain(Identifier),
    /// SHA-256 of the normal form, made on the caller's side.
    Hashed {
        kind: IdentifierKind,
        hash: String,
    },
}

/// One entry in force that speaks of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub entry: SuppressionId,
    pub scope: Scope,
    pub kind: Kind,
    pub reason: Reason,
    pub since: Timestamp,
}

/// How a lift goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiftBegun {
    /// Nobody was told, so the entry is lifted.
    AtOnce,
    /// When this request closes.
    By(RequestId),
}

/// What became of telling an account of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    Filed(RequestId),
    /// A request of the same person with the same wish is under way.
    UnderWay(RequestId),
}

impl SqlStore {
    /// Puts somebody on the list; an entry in force of the same person and scope takes the
    /// identifiers up instead.
    ///
    /// # Errors
    /// When nothing is named, the guard list refuses, or the controller is not in the settings.
    pub async fn suppress(&self, new: NewSuppression) -> Result<Added, Error> {
        let rules = self.controller(&new.controller)?;
        if new.identifiers.is_empty() {
            return Err(Error::Refused(
                "no identifier: give at least one, e.g. an e-mail address".into(),
            ));
        }
        check_guard(rules, RequestAction::Suppress, &new.identifiers)?;
        let now = self.now();
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::Refused("the entry would have ended before it began".into()));
        }
        self.until_fresh(|| async {
            let known = self.entry_of(&new).await?;
            let (read_version, event, entry) = match known {
                Some(known) => (
                    known.version,
                    "renewed",
                    apply(&known, &Event::Renewed { until: new.expires_at }, self.now())?,
                ),
                None => (0, "listed", self.new_entry(&new)),
            };
            let added = match read_version {
                0 => Added::New(entry.id),
                _ => Added::Before(entry.id),
            };
            let mut unit = Unit::default();
            self.move_entry(&mut unit, event, entry, read_version, vec![], &new.by);
            for listing in &mut unit.listings {
                listing.identifiers.clone_from(&new.identifiers);
            }
            Ok((unit, added))
        })
        .await
    }

    fn new_entry(&self, new: &NewSuppression) -> Suppression {
        let now = self.now();
        Suppression {
            id: SuppressionId::new(now, &*self.chance),
            version: 1,
            controller: new.controller.clone(),
            scope: new.scope,
            kind: Kind::Sealed,
            reason: new.reason,
            note: new.note.clone(),
            legal_basis: new.legal_basis.clone(),
            source: None,
            since: now,
            by: new.by.clone(),
            expires_at: new.expires_at,
            state: EntryState::InForce,
        }
    }

    /// The sealed entry in force of the same person, controller and scope.
    async fn entry_of(&self, new: &NewSuppression) -> Result<Option<Suppression>, Error> {
        let tag = |i: &Identifier| (i.kind.word(), self.sealer.tag(i));
        let mine: Vec<(String, [u8; 32])> = new.identifiers.iter().map(tag).collect();
        let now = self.now();
        let found = list::by_tags(&self.database, mine.iter().map(|(_, tag)| tag)).await?;
        let fits = |e: &Suppression| {
            e.controller == new.controller
                && e.scope == new.scope
                && e.kind == Kind::Sealed
                && e.state == EntryState::InForce
                && e.in_force(now)
        };
        list::same(&self.database, &mine, found.into_values().flatten().filter(fits).collect())
            .await
    }

    fn move_entry(
        &self,
        unit: &mut Unit,
        event: &str,
        entry: Suppression,
        read_version: u32,
        stands: Vec<Stand>,
        actor: &str,
    ) {
        let about = About::SuppressionMoved {
            event: event.into(),
            entry: Box::new(entry.clone()),
            accounts: stands.clone(),
        };
        unit.entries.push(self.entry(actor, about, &[], None));
        let is_empty = matches!(entry.state, EntryState::Lifted { .. });
        unit.listings.push(Listing {
            read_version,
            entry,
            from: None,
            identifiers: vec![],
            tags: vec![],
            stands,
            is_empty,
        });
    }

    async fn load_entry(&self, id: SuppressionId) -> Result<Suppression, Error> {
        list::entry(&self.database, id).await?.ok_or_else(|| list::not_found(id))
    }

    /// Which entries in force speak of each of those asked for, under one controller. Nothing is
    /// written, and nothing of the person is kept.
    ///
    /// # Errors
    /// When more than [`MOST_CHECKED`] are asked for, or the database cannot be read.
    pub async fn check_list(
        &self,
        controller: &ControllerId,
        asked: &[Asked],
    ) -> Result<Vec<Vec<Verdict>>, Error> {
        if asked.len() > MOST_CHECKED {
            return Err(Error::Refused(format!("at most {MOST_CHECKED} identifiers in one check")));
        }
        let tags: Vec<[u8; 32]> = asked
            .iter()
            .map(|one| match one {
                Asked::Plain(identifier) => self.sealer.tag(identifier),
                Asked::Hashed { kind, hash } => self.sealer.hash_tag(&kind.word(), hash),
            })
            .collect();
        let now = self.now();
        let mut by_tag = std::collections::HashMap::<[u8; 32], Vec<Verdict>>::new();
        for (tag, entries) in list::by_tags(&self.database, &tags).await? {
            let theirs = entries.iter().filter(|e| e.controller == *controller && e.in_force(now));
            let verdict = |entry: &Suppression| Verdict {
                entry: entry.id,
                scope: entry.scope,
                kind: entry.kind,
                reason: entry.reason,
                since: entry.since,
            };
            by_tag.insert(tag, theirs.map(verdict).collect());
        }
        for verdicts in by_tag.values_mut() {
            verdicts.sort_by_key(|v| v.entry);
        }
        Ok(tags.iter().map(|tag| by_tag.get(tag).cloned().unwrap_or_default()).collect())
    }

    /// The identifiers that an entry keeps; none where it keeps tags alone.
    ///
    /// # Errors
    /// When there is no such entry, or its key does not open it.
    pub async fn listed_person(&self, id: SuppressionId) -> Result<Vec<Identifier>, Error> {
        Ok(list::open(&self.database, &self.sealer, id).await?.identifiers)
    }

    /// Takes somebody off the list. Where accounts were told, a lift is filed by the ordinary door and
    /// the entry stands until it closes.
    ///
    /// # Errors
    /// Without a consent that says something; when it is lifted, or a lift is under way.
    pub async fn lift(
        &self,
        id: SuppressionId,
        consent: &str,
        by: &str,
    ) -> Result<LiftBegun, Error> {
        self.give_up_dead_lift(id, by).await?;
        let entry = self.load_entry(id).await?;
        let at_once = Event::Lifted { by: by.to_owned(), consent: consent.to_owned() };
        // refused before anything is filed
        apply(&entry, &at_once, self.now())?;
        let told = self.suppression(id).await?.accounts.iter().any(|a| a.observed.is_told());
        if !told {
            self.move_entry_by(id, &at_once, vec![], by).await?;
            return Ok(LiftBegun::AtOnce);
        }
        let new = NewRequest {
            scope: Some(entry.scope),
            listed: Some(Listed::off_the_list(id, consent.trim().to_owned())),
            ..NewRequest::new(
                entry.controller.clone(),
                RequestAction::Lift,
                self.listed_person(id).await?,
                by,
            )
        };
        let request = match self.file_one(new).await? {
            Filed::New(request) => request,
            Filed::Duplicate { of, .. } | Filed::Before(of) => {
                return Err(Error::Refused(format!(
                    "request {of} gives the same back already, without taking anybody off the list; lift the entry when it has closed"
                )));
            }
        };
        let asked =
            Event::LiftAsked { request, by: by.to_owned(), consent: consent.trim().to_owned() };
        match self.move_entry_by(id, &asked, vec![], by).await {
            // the request has closed meanwhile and taken it off
            Ok(()) | Err(Error::Suppression(_)) => Ok(LiftBegun::By(request)),
            Err(error) => Err(error),
        }
    }

    async fn file_one(&self, new: NewRequest) -> Result<Filed, Error> {
        let mut filed = self.file(vec![new]).await;
        filed.pop().unwrap_or_else(|| Err(Error::Unavailable("the store is closing".into())))
    }

    /// A lift whose request was over before the entry was told of it.
    async fn give_up_dead_lift(&self, id: SuppressionId, by: &str) -> Result<(), Error> {
        let EntryState::Lifting { request, .. } = self.load_entry(id).await?.state else {
            return Ok(());
        };
        let state = self.load(request).await?.request;
        let noted = state.listed.as_ref().is_some_and(|l| l.noted_at.is_some());
        if state.state.is_over() && noted {
            self.move_entry_by(id, &Event::LiftGivenUp { request }, vec![], by).await?;
        }
        Ok(())
    }

    async fn move_entry_by(
        &self,
        id: SuppressionId,
        event: &Event,
        stands: Vec<Stand>,
        by: &str,
    ) -> Result<(), Error> {
        self.until_fresh(|| async {
            let before = self.load_entry(id).await?;
            let entry = apply(&before, event, self.now())?;
            let mut unit = Unit::default();
            self.move_entry(&mut unit, event.word(), entry, before.version, stands.clone(), by);
            Ok((unit, ()))
        })
        .await
    }

    /// Files what tells `accounts` of an entry, by the ordinary door: release and ceiling apply.
    ///
    /// # Errors
    /// When the entry is not in force or keeps no identifiers.
    pub async fn push_entry(
        &self,
        id: SuppressionId,
        accounts: &[AccountId],
        import: Option<ImportId>,
        by: &str,
    ) -> Result<Pushed, Error> {
        let entry = self.load_entry(id).await?;
        let now = self.now();
        let identifiers = self.listed_person(id).await?;
        if !entry.in_force(now) || identifiers.is_empty() {
            return Err(Error::Refused(format!(
                "entry {id} is not in force or keeps nobody's identifiers, so no account can be told"
            )));
        }
        let new = NewRequest {
            scope: Some(entry.scope),
            import,
            listed: Some(Listed::for_accounts(id, accounts.to_vec())),
            ..NewRequest::new(entry.controller, RequestAction::Suppress, identifiers, by)
        };
        let request = match self.file_one(new).await? {
            Filed::New(request) => request,
            Filed::Duplicate { of, .. } | Filed::Before(of) => return Ok(Pushed::UnderWay(of)),
        };
        let told = |account: &AccountId| Stand {
            account: account.clone(),
            observed: Observed::Told,
            since: now,
            task: None,
        };
        let stands = accounts.iter().map(told).collect();
        self.move_entry_by(id, &Event::Told, stands, by).await?;
        Ok(Pushed::Filed(request))
    }

    /// Writes down that identifiers of the list are about to be handed out.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn note_export(&self, entries: usize, by: &str) -> Result<(), Error> {
        let text = format!("suppression list: the identifiers of {entries} entries were exported");
        let unit = Unit {
            entries: vec![self.entry(by, About::Note { text }, &[], None)],
            ..Unit::default()
        };
        self.commit(unit).await
    }
}

impl Asked {
    /// What a caller would ask with, had they hashed it themselves.
    #[must_use]
    pub fn hashed(identifier: &Identifier) -> Option<Self> {
        let hash = client_hash(identifier)?;
        Some(Self::Hashed { kind: identifier.kind.clone(), hash })
    }
}
