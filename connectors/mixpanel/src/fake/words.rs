//! Checks of what is said and read, without a stand-in.

use efface_connector::{
    IdentifierKind, Reply,
    fake::{Golden, ensure},
};
use serde_json::{Value, json};

use super::checks::said;
use crate::{
    manifest::distinct_id,
    settings::Settings,
    wire::{self, Cancelled, Status, Wire},
};

fn wire(more: &[(&str, Value)]) -> Result<Wire, String> {
    let mut all = json!({
        "project_token": "591b3354bb2bdd96f72f23bf56911673", "oauth_token": "t",
        "service_account": { "username": "u", "secret": "s", "project_id": 1978118 },
    });
    for (key, value) in more {
        all[*key] = value.clone();
    }
    let settings = Settings::read(&all).map_err(|e| e.to_string())?;
    Ok(Wire::new("https://mixpanel.com".into(), settings))
}

pub fn golden() -> Result<(), String> {
    let ccpa = wire(&[("compliance_type", json!("CCPA"))])?;
    let create = Golden::read(include_str!("../../golden/create.json"))?;
    create.matches(&ccpa.delete(&["1".into()]).map_err(said)?)?;
    ensure(
        wire::read_created(&create.reply()).map_err(said)? == "1583792934719392965",
        "create: job not read",
    )?;
    let wire = wire(&[])?;
    let spec = Golden::read(include_str!("../../golden/create-spec.json"))?;
    spec.matches(&wire.delete(&["id1".into(), "id2".into()]).map_err(said)?)?;
    ensure(
        wire::read_created(&spec.reply()).map_err(said)? == "35bd8477-f71f-4088-af55-c88a6fb4ad4b",
        "create, as in the specification: job not read",
    )?;
    let status = Golden::read(include_str!("../../golden/status.json"))?;
    status.matches(&wire.status("35bd8477-f71f-4088-af55-c88a6fb4ad4b"))?;
    ensure(wire::read_status(&status.reply()) == Ok(Status::Success), "status: not read")?;

    let cancel = Golden::read(include_str!("../../golden/cancel.json"))?;
    cancel.matches(&wire.cancel("35bd8477-f71f-4088-af55-c88a6fb4ad4b"))?;
    ensure(wire::read_cancelled(&cancel.reply()) == Ok(Cancelled::TooLate), "cancel: not read")?;

    let account = wire.service_account().ok_or("no service account")?;
    let by_id = Golden::read(include_str!("../../golden/profiles-by-id.json"))?;
    by_id.matches(&wire.profiles_of(account, &["id1".into(), "id2".into()]).map_err(said)?)?;
    let found = wire::read_profiles(&by_id.reply()).map_err(said)?;
    ensure(found.complete && found.all[0].distinct_id == "4", "profiles: not read")?;
    let by_email = Golden::read(include_str!("../../golden/profiles-by-email.json"))?;
    let any = wire::any_email(&["ada@example.com".into(), "Ada@Example.com".into()]);
    by_email.matches(&wire.profiles_where(account, &any.ok_or("not quoted")?))?;
    let found = wire::read_profiles(&by_email.reply()).map_err(said)?;
    ensure(found.all.is_empty() && !found.complete, "profiles: a page taken for all")?;
    let page = Golden::read(include_str!("../../golden/profiles.json"))?;
    page.matches(&wire.all_profiles(account, Some(("1234567890-EXAMPL", 1))))?;
    let found = wire::read_profiles(&page.reply()).map_err(said)?;
    let next = found.next.as_ref().map(|(session, page)| (session.as_str(), *page));
    ensure(next == Some(("1234567890-EXAMPL", 2)), "profiles: the next page was not read")
}

pub fn settings() -> Result<(), String> {
    let with = |key: &str, value: Value| {
        let mut all = json!({ "project_token": "p", "oauth_token": "o" });
        all[key] = value;
        Settings::read(&all)
    };
    for (region, base) in [
        ("us", "https://mixpanel.com"),
        ("eu", "https://eu.mixpanel.com"),
        ("in", "https://in.mixpanel.com"),
    ] {
        let read = with("region", json!(region)).map_err(|e| e.to_string())?;
        ensure(read.region.base() == base, region)?;
    }
    for (key, value) in [
        ("region", json!("mars")),
        ("compliance_type", json!("gdpr-ish")),
        ("distinct_id_from", json!([])),
        ("distinct_id_from", json!(["email"])),
        ("ids_per_job", json!(2000)),
        ("ids_per_job", json!(0)),
        ("token_expires_on", json!("next spring")),
        ("token_expires_on", json!("2027-13-40")),
        ("oauth_token", json!(" ")),
    ] {
        ensure(with(key, value.clone()).is_err(), format!("{key} took {value}"))?;
    }
    let kinds = with("distinct_id_from", json!(["device_id", "user_id"]));
    let kinds = kinds.map_err(|e| e.to_string())?.kinds();
    let want = [IdentifierKind::DeviceId, IdentifierKind::UserId, distinct_id()];
    ensure(kinds == want, format!("{kinds:?}"))
}

pub fn job_words() -> Result<(), String> {
    for (word, want) in [
        ("PENDING", Some(Status::Going)),
        ("STAGING", Some(Status::Going)),
        ("STARTED", Some(Status::Going)),
        ("SUCCESS", Some(Status::Success)),
        ("FAILURE", Some(Status::Failure)),
        ("REVOKED", Some(Status::Revoked)),
        ("NOT_FOUND", Some(Status::NotFound)),
        ("UNKNOWN", Some(Status::Unknown)),
        ("success", None),
        ("SUCCEEDED", None),
        ("", None),
    ] {
        let body = format!(r#"{{"status":"ok","results":{{"status":"{word}"}}}}"#);
        let read = wire::read_status(&Reply::made_up(200, &[], &body)).ok();
        ensure(read == want, format!("{word}: {read:?}"))?;
    }
    for body in [
        r#"{"status":"error","error":"no","results":{"task_id":"1","status":"SUCCESS"}}"#,
        r#"{"status":"ok","error":"no","results":{"task_id":"1","status":"SUCCESS"}}"#,
        r#"{"results":{"task_id":"1","status":"SUCCESS"}}"#,
        r#"{"status":"ok","results":{}}"#,
        r#"{"status":"ok","results":[]}"#,
        r#"{"status":"ok","results":{"task_id":"a person@example.com"}}"#,
        r#"{"status":"ok"}"#,
    ] {
        let reply = Reply::made_up(201, &[], body);
        ensure(wire::read_created(&reply).is_err(), format!("a job made: {body}"))?;
        ensure(wire::read_status(&reply).is_err(), format!("a status read: {body}"))?;
    }
    Ok(())
}

pub fn quoting() -> Result<(), String> {
    for bad in ["a\"b@example.com", "a\\b@example.com", "a\nb@example.com"] {
        let asked = wire::any_email(&["ada@example.com".into(), bad.into()]);
        ensure(asked.is_none(), format!("asked: {asked:?}"))?;
    }
    ensure(wire::any_email(&[]).is_none(), "nobody was asked for")
}
