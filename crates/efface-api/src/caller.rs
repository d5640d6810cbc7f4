//! Who calls: API keys. A key is `efface_<id>_<43 base64url characters>`; the database holds the
//! SHA-256 of the whole key, which has more than enough chance in it to need no slower hash.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use efface_store::SqlStore;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{
    ApiState,
    cached::Cached,
    problem::{Kind, Problem},
};

/// How old the list of keys may be: so long a revoked key may still pass.
const FRESH: Duration = Duration::from_secs(2);
/// A key that is not on the list may be new: the list is read again, this often at most.
const FRESH_FOR_STRANGERS: Duration = Duration::from_millis(200);
const SECRET_CHARS: usize = 43;

/// The API key a call came with.
#[derive(Clone, Debug)]
pub struct Caller {
    pub id: Arc<str>,
    /// As the journal names it: `api key <id>`.
    pub actor: Arc<str>,
}

struct Known {
    caller: Caller,
    hash: Vec<u8>,
}

/// The keys that open the API, read from the database at most every two seconds.
#[derive(Default)]
pub struct Keys {
    live: Cached<HashMap<String, Known>>,
}

impl Keys {
    async fn caller(&self, store: &SqlStore, key: &str) -> Result<Caller, Problem> {
        let id = id_of(key).ok_or_else(refused)?;
        let hash = Sha256::digest(key.as_bytes());
        let now = store.now();
        let mut live = self.live.get(now, FRESH, read(store)).await?;
        if !live.contains_key(id) {
            live = self.live.get(now, FRESH_FOR_STRANGERS, read(store)).await?;
        }
        let known = live.get(id).ok_or_else(refused)?;
        if bool::from(known.hash.as_slice().ct_eq(hash.as_slice())) {
            Ok(known.caller.clone())
        } else {
            Err(refused())
        }
    }
}

async fn read(store: &SqlStore) -> Result<HashMap<String, Known>, efface_store::Error> {
    let rows = store.api_keys().await?;
    let live = rows.into_iter().filter(|row| row.revoked_at.is_none()).map(|row| {
        let actor = format!("api key {}", row.id).into();
        (row.id.clone(), Known { caller: Caller { id: row.id.into(), actor }, hash: row.hash })
    });
    Ok(live.collect())
}

fn refused() -> Problem {
    Problem::new(
        Kind::Unauthorized,
        "send `Authorization: Bearer <key>` with a key that is not revoked; `efface api-key create` makes one",
    )
}

/// The id within a key's text.
fn id_of(key: &str) -> Option<&str> {
    let rest = key.strip_prefix("efface_")?;
    let at = rest.len().checked_sub(SECRET_CHARS)?;
    if !rest.is_char_boundary(at) {
        return None;
    }
    let (id, secret) = rest.split_at(at);
    let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let id = id.strip_suffix('_')?;
    (!id.is_empty() && secret.bytes().all(base64url)).then_some(id)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Lets only known callers in. Wraps every endpoint that is not open to all.
pub async fn require(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = bearer(request.headers()).ok_or_else(refused)?;
    let caller = state.keys.caller(&state.store, key).await?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Rig, key_text};

    #[test]
    fn the_id_is_what_stands_before_the_secret() {
        let secret = "A".repeat(SECRET_CHARS);
        for (text, id) in [
            (format!("efface_shop_{secret}"), Some("shop")),
            (format!("efface_eu_shop_{secret}"), Some("eu_shop")),
            (format!("efface__{secret}"), None),
            (format!("efface_{secret}"), None),
            (format!("other_shop_{secret}"), None),
            (format!("efface_shop_{}", "é".repeat(30)), None),
            (format!("efface_shop_{}!", &secret[1..]), None),
            (String::new(), None),
        ] {
            assert_eq!(id_of(&text), id, "{text}");
        }
    }

    #[tokio::test]
    async fn only_a_live_key_opens_the_door() {
        let rig = Rig::new().await;
        rig.add_key("gone", 'g').await;
        rig.store.revoke_api_key("gone", "test").await.expect("revoked");
        let good = key_text("shop", 's');
        let cases = [
            (format!("Bearer {good}"), 200),
            (format!("bearer {good}"), 200),
            (good.clone(), 401),
            (format!("Basic {good}"), 401),
            ("Bearer".into(), 401),
            ("Bearer nonsense".into(), 401),
            (format!("Bearer {}", key_text("shop", 'x')), 401),
            (format!("Bearer {}", key_text("nobody", 's')), 401),
            (format!("Bearer {}", key_text("gone", 'g')), 401),
            (format!("Bearer {good}x"), 401),
        ];
        for (header, status) in cases {
            let answer = rig.get_as(Some(&header), "/v1/requests").await;
            assert_eq!(answer.status, status, "{header}");
            if status == 401 {
                assert_eq!(answer.body["type"], "urn:efface:problem:unauthorized", "{header}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"efface\""));
            }
        }
        assert_eq!(rig.get_as(None, "/v1/requests").await.status, 401);
    }

    #[tokio::test]
    async fn open_doors_need_no_key() {
        let rig = Rig::new().await;
        for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
            assert_eq!(rig.get_as(None, path).await.status, 200, "{path}");
        }
    }

    #[tokio::test]
    async fn a_revoked_key_stops_within_two_seconds_and_a_new_one_works_at_once() {
        let rig = Rig::new().await;
        assert_eq!(rig.get("/v1/desk").await.status, 200);
        rig.store.revoke_api_key("shop", "test").await.expect("revoked");
        rig.clock.pass(Duration::from_secs(2));
        assert_eq!(rig.get("/v1/desk").await.status, 401);
        rig.add_key("new", 'n').await;
        rig.clock.pass(FRESH_FOR_STRANGERS);
        let header = format!("Bearer {}", key_text("new", 'n'));
        assert_eq!(rig.get_as(Some(&header), "/v1/desk").await.status, 200);
    }
}
