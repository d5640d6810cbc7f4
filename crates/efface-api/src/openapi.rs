//! The OpenAPI 3.1 document, from the code of the endpoints.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, Modify, OpenApi as _, PartialSchema as _,
    openapi::{
        OpenApi, Ref, RefOr, ResponseBuilder,
        content::ContentBuilder,
        response::Response,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    endpoint,
    problem::{Kind, PROBLEM_JSON, Problem},
};

const ABOUT: &str = "\
Requests to erase or suppress a person, carried out at every vendor that holds the person.

Every call under `/v1` needs an API key. Every refusal is a problem document (RFC 9457) that names \
the field at fault and never repeats a value. Identifiers are taken in and never shown again.

Types of problem:

";

/// The document, as it is served and printed.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = endpoint::Documented::openapi();
    document.info.title = "efface".into();
    document.info.version = env!("CARGO_PKG_VERSION").into();
    document.info.description = Some(format!("{ABOUT}{}", Kind::catalogue()));
    document.info.contact = None;
    document
}

/// Adds the key that callers need.
pub struct KeyScheme;

impl Modify for KeyScheme {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("efface_<id>_<secret>")
            .description(Some("An API key, made with `efface api-key create`."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
        components.schemas.insert("Problem".into(), Problem::schema());
    }
}

fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build().into()
}

fn problems(statuses: &[&str]) -> BTreeMap<String, RefOr<Response>> {
    let about = |status: &str| match status {
        "400" => "The body is not JSON.",
        "401" => "No valid API key.",
        "404" => "There is no such thing.",
        "409" => "The rules refuse this, or somebody else changed it meanwhile.",
        "413" => "The body is too large.",
        "415" => "The body is not declared as JSON.",
        "422" => "A field, parameter or header is not valid; `field` names it.",
        "500" => "An unexpected error.",
        _ => {
            "The database does not answer or the call took too long; retry after `retry-after` seconds."
        }
    };
    statuses.iter().map(|s| ((*s).to_owned(), problem(about(s)))).collect()
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = [$($status:literal),+];)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                problems(&[$($status),+])
            }
        }
    )+};
}

refusals! {
    /// Of a list.
    ListRefusals = ["401", "422", "500", "503"];
    /// Of reading one thing.
    ReadRefusals = ["401", "404", "500", "503"];
    /// Of a door that takes no body.
    DoorRefusals = ["400", "401", "404", "409", "413", "422", "500", "503"];
    /// Of a door that takes a body.
    BodyDoorRefusals = ["400", "401", "404", "409", "413", "415", "422", "500", "503"];
    /// Of a process that cannot answer now.
    NotReady = ["503"];
    /// Of filing and searching.
    FilingRefusals = ["400", "401", "413", "415", "422", "500", "503"];
}
