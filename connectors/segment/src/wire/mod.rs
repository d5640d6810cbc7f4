//! Segment's words: the requests. What each answer means is in [`read`] and [`status`]. Pure.

mod read;
mod status;

use efface_connector::{ConnectorError, Method, Request, Secret, TaskAction};
use serde_json::json;

use crate::settings::{Paging, Space};

#[cfg(feature = "fake")]
pub use read::create_failure;
pub use read::{
    Listed, read_created, read_listed, read_profile, read_regulation, read_suppressed,
    read_workspace,
};
#[cfg(feature = "fake")]
pub use status::{Entry, Standing, Status};
pub use status::{Verdict, in_words, judge};

/// The version of the API these words belong to.
const VERSION: &str = "application/vnd.segment.v1+json";

/// Regulations on one page: each may list 5,000 ids.
pub const REGULATIONS_A_PAGE: u32 = 10;
/// Suppressions on one page, the most there may be.
pub const SUPPRESSIONS_A_PAGE: u32 = 1_000;

/// What a regulation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regulation {
    DeleteInternal,
    DeleteOnly,
    SuppressOnly,
    SuppressWithDelete,
    SuppressWithDeleteInternal,
    Unsuppress,
}

impl Regulation {
    const ALL: [Self; 6] = [
        Self::DeleteInternal,
        Self::DeleteOnly,
        Self::SuppressOnly,
        Self::SuppressWithDelete,
        Self::SuppressWithDeleteInternal,
        Self::Unsuppress,
    ];

    /// The regulation that carries an action out.
    pub fn of(action: TaskAction, forwards: bool) -> Result<Self, ConnectorError> {
        match (action, forwards) {
            (TaskAction::Erase, false) => Ok(Self::DeleteInternal),
            (TaskAction::Erase, true) => Ok(Self::DeleteOnly),
            (TaskAction::EraseAndSuppress, false) => Ok(Self::SuppressWithDeleteInternal),
            (TaskAction::EraseAndSuppress, true) => Ok(Self::SuppressWithDelete),
            (TaskAction::Suppress, _) => Ok(Self::SuppressOnly),
            (TaskAction::Lift, _) => Ok(Self::Unsuppress),
            (TaskAction::Resolve | TaskAction::LookUp, _) => {
                Err(ConnectorError::permanent("Segment has no such action"))
            }
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|regulation| regulation.word() == word)
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::DeleteInternal => "DELETE_INTERNAL",
            Self::DeleteOnly => "DELETE_ONLY",
            Self::SuppressOnly => "SUPPRESS_ONLY",
            Self::SuppressWithDelete => "SUPPRESS_WITH_DELETE",
            Self::SuppressWithDeleteInternal => "SUPPRESS_WITH_DELETE_INTERNAL",
            Self::Unsuppress => "UNSUPPRESS",
        }
    }

    /// Whether Segment passes it on to destinations.
    pub const fn forwards(self) -> bool {
        match self {
            Self::DeleteOnly | Self::SuppressWithDelete => true,
            Self::DeleteInternal
            | Self::SuppressOnly
            | Self::SuppressWithDeleteInternal
            | Self::Unsuppress => false,
        }
    }

    /// Whether it deletes, which takes longer.
    pub const fn deletes(self) -> bool {
        match self {
            Self::DeleteInternal
            | Self::DeleteOnly
            | Self::SuppressWithDelete
            | Self::SuppressWithDeleteInternal => true,
            Self::SuppressOnly | Self::Unsuppress => false,
        }
    }
}

/// Builds requests of one workspace.
pub struct Wire {
    base: String,
    profiles: String,
    token: Secret,
    paging: Paging,
    space: Option<Space>,
}

impl Wire {
    pub fn new(
        base: String,
        profiles: String,
        token: Secret,
        paging: Paging,
        space: Option<Space>,
    ) -> Self {
        Self { base, profiles, token, paging, space }
    }

    pub fn looks_up(&self) -> bool {
        self.space.is_some()
    }

    fn request(&self, method: Method, template: &str) -> Request {
        Request::new(method, &self.base, template).header("accept", VERSION).bearer(&self.token)
    }

    pub fn workspace(&self) -> Request {
        self.request(Method::GET, "/")
    }

    pub fn create(
        &self,
        regulation: Regulation,
        ids: &[String],
    ) -> Result<Request, ConnectorError> {
        self.request(Method::POST, "/regulations").json(&json!({
            "regulationType": regulation.word(),
            "subjectType": "USER_ID",
            "subjectIds": ids,
        }))
    }

    pub fn regulation(&self, id: &str) -> Request {
        self.request(Method::GET, "/regulations/{regulation}").path("regulation", id)
    }

    pub fn regulations(&self, count: u32, cursor: Option<&str>) -> Request {
        self.page(self.request(Method::GET, "/regulations"), count, cursor)
    }

    pub fn suppressions(&self, cursor: Option<&str>) -> Request {
        self.page(self.request(Method::GET, "/suppressions"), SUPPRESSIONS_A_PAGE, cursor)
    }

    fn page(&self, request: Request, count: u32, cursor: Option<&str>) -> Request {
        let (of_count, of_cursor) = match self.paging {
            Paging::Brackets => ("pagination[count]", "pagination[cursor]"),
            Paging::Dots => ("pagination.count", "pagination.cursor"),
        };
        let request = request.query(of_count, count.to_string());
        match cursor {
            Some(cursor) => request.query(of_cursor, cursor),
            None => request,
        }
    }

    /// Asks for a profile's dates alone, by a user id. `None` without a space.
    pub fn profile_by_user_id(&self, id: &str) -> Option<Request> {
        self.profile("user_id", id)
    }

    pub fn profile_by_email(&self, email: &str) -> Option<Request> {
        self.profile("email", email)
    }

    fn profile(&self, kind: &str, value: &str) -> Option<Request> {
        let space = self.space.as_ref()?;
        let template =
            format!("/v1/spaces/{{space}}/collections/users/profiles/{kind}:{{value}}/metadata");
        let request = Request::new(Method::GET, &self.profiles, &template)
            .path("space", &space.id)
            .path("value", value)
            .basic(space.token.expose(), &Secret::new(""));
        Some(request)
    }
}
