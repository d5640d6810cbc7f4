//! `GET /readyz`: calls are answered well here now.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    openapi::NotReady,
    problem::{Kind, Problem},
};

/// Calls may be sent here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    #[schema(example = "ready")]
    status: &'static str,
}

/// Why calls should go elsewhere.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("the database does not answer")]
    Database,
    #[error("the process is starting or stopping")]
    Process,
}

impl From<Unready> for Problem {
    fn from(why: Unready) -> Self {
        Self::new(Kind::Unavailable, why.to_string())
    }
}

/// Whether calls may be sent here
///
/// The database answers and the process is neither starting nor stopping.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readiness", tag = "service", security(()),
    responses((status = 200, description = "Calls may be sent here.", body = Readiness), NotReady)
)]
pub async fn handle(State(state): State<ApiState>) -> Result<Json<Readiness>, Problem> {
    if !(state.options.ready)() {
        return Err(Unready::Process.into());
    }
    state.store.ping().await.map_err(|_| Unready::Database)?;
    Ok(Json(Readiness { status: "ready" }))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use crate::{ApiOptions, testing::Rig};

    #[tokio::test]
    async fn it_is_ready_while_the_process_says_so() {
        let up = Arc::new(AtomicBool::new(true));
        let asked = up.clone();
        let ready = Arc::new(move || asked.load(Ordering::Relaxed));
        let rig = Rig::with(ApiOptions { ready, ..ApiOptions::default() }).await;
        assert_eq!(rig.get_as(None, "/readyz").await.status, 200);
        up.store(false, Ordering::Relaxed);
        let answer = rig.get_as(None, "/readyz").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.body["type"], "urn:efface:problem:unavailable");
    }
}
