//! The endpoints, one file each, and the one table that routes and documents them.

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};

use crate::{ApiState, caller, openapi::KeyScheme};

macro_rules! endpoints {
    (
        open { $($open_method:ident $open_path:literal $open:ident;)+ }
        with_key { $($method:ident $path:literal $module:ident;)+ }
    ) => {
        $(pub mod $open;)+
        $(pub mod $module;)+

        /// Every endpoint, routed. Those with a key are closed to everybody else.
        pub fn table(state: &ApiState) -> Router<ApiState> {
            let with_key = Router::new()
                $(.route($path, $method($module::handle)))+
                .route_layer(from_fn_with_state(state.clone(), caller::require));
            Router::new()$(.route($open_path, $open_method($open::handle)))+.merge(with_key)
        }

        /// Every endpoint, documented.
        #[derive(utoipa::OpenApi)]
        #[openapi(
            paths($($open::handle,)+ $($module::handle,)+),
            modifiers(&KeyScheme),
            security(("api_key" = [])),
            tags(
                (name = "requests", description = "A person's wish, from filing to its end."),
                (name = "tasks", description = "What is done for one person at one vendor account."),
                (name = "accounts", description = "Connected vendor accounts and their brakes."),
                (name = "suppressions", description = "Who is to be left alone from now on."),
                (name = "desk", description = "What waits for a person."),
                (name = "service", description = "The process itself. No key needed."),
            ),
        )]
        pub struct Documented;

        /// Method, path and whether a key is needed.
        #[cfg(test)]
        pub const LIST: &[(&str, &str, bool)] = &[
            $((stringify!($open_method), $open_path, false),)+
            $((stringify!($method), $path, true),)+
        ];
    };
}

endpoints! {
    open {
        get "/healthz" healthz;
        get "/readyz" readyz;
        get "/metrics" metrics;
        get "/openapi.json" describe;
    }
    with_key {
        post "/v1/requests" file;
        post "/v1/requests/batch" file_batch;
        post "/v1/requests/search" search;
        get "/v1/requests" list_requests;
        get "/v1/requests/{id}" read_request;
        get "/v1/requests/{id}/why" why;
        post "/v1/requests/{id}/release" release;
        post "/v1/requests/{id}/identify" identify;
        post "/v1/requests/{id}/amend" amend;
        post "/v1/requests/{id}/hold" hold;
        post "/v1/requests/{id}/cancel" cancel;
        post "/v1/requests/{id}/deny" deny;
        post "/v1/requests/{id}/answered" answered;
        get "/v1/tasks" list_tasks;
        get "/v1/tasks/{id}" read_task;
        post "/v1/tasks/{id}/retry" retry;
        post "/v1/tasks/{id}/waive" waive;
        post "/v1/tasks/{id}/attest" attest;
        get "/v1/accounts" list_accounts;
        post "/v1/accounts/{id}/pause" pause;
        post "/v1/accounts/{id}/resume" resume;
        get "/v1/suppressions" list_suppressions;
        post "/v1/suppressions" add_suppression;
        post "/v1/suppressions/check" check_suppressions;
        post "/v1/suppressions/{id}/lift" lift_suppression;
        get "/v1/desk" list_desk;
        post "/v1/desk/{id}/decide" decide;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::LIST;
    use crate::testing::Rig;

    fn documented() -> serde_json::Value {
        serde_json::to_value(crate::document()).expect("the document is JSON")
    }

    #[test]
    fn what_is_routed_is_documented_and_the_other_way_round() {
        let document = documented();
        let paths = document["paths"].as_object().expect("paths");
        let written: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("path item").keys();
                methods.map(move |method| (method.clone(), path.clone()))
            })
            .collect();
        let routed =
            LIST.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()));
        assert_eq!(written, routed.collect());
    }

    #[tokio::test]
    async fn every_documented_path_answers_and_asks_for_its_key() {
        let rig = Rig::new().await;
        let document = documented();
        for (method, path, with_key) in LIST {
            let real = path.replace("{id}", "00000000-0000-7000-8000-000000000000");
            let upper = method.to_uppercase();
            let answer = crate::testing::ask(rig.router(), &upper, &real, "", &[]).await;
            if *with_key {
                assert_eq!(answer.status, 401, "{method} {path}");
            } else {
                assert_eq!(answer.status, 200, "{method} {path}");
            }
            let operation = &document["paths"][*path][*method];
            let open = operation["security"] == serde_json::json!([{}]);
            assert_eq!(open, !with_key, "{method} {path}: {}", operation["security"]);
            assert_eq!(operation["responses"]["401"].is_object(), *with_key, "{method} {path}");
            for part in ["operationId", "summary", "tags"] {
                assert!(!operation[part].is_null(), "{method} {path} lacks {part}");
            }
        }
    }

    #[test]
    fn operation_ids_are_unique_and_references_resolve() {
        let document = documented();
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = BTreeSet::new();
        for (method, path, _) in LIST {
            let id = document["paths"][*path][*method]["operationId"].as_str().expect("id");
            assert!(ids.insert(id.to_owned()), "{id} twice");
        }
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap_or_default();
            assert!(document["components"]["schemas"][name].is_object(), "{name} is not there");
        }
    }
}
