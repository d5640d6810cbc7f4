//! Checks of words: settings, requests, and what answers mean.

use efface_connector::{
    ConnectorError, Reply, Secret, Timestamp,
    fake::{Golden, ensure},
};
use serde_json::json;

use crate::{
    settings::{Paging, Settings, Space},
    wire::{self, Entry, Regulation, Standing, Status, Verdict, Wire},
};

const ID: &str = "1qJkfE1tpwvQcklImGksLN629wn";

fn wire_with(paging: Paging) -> Wire {
    let space = Space { id: "lg8283283".into(), token: Secret::new("p") };
    let base = "https://api.segmentapis.com".to_owned();
    Wire::new(base, "https://profiles.segment.com".into(), Secret::new("k"), paging, Some(space))
}

fn said(error: ConnectorError) -> String {
    error.to_string()
}

pub fn golden() -> Result<(), String> {
    let wire = wire_with(Paging::Brackets);
    let ids = ["ada-1".to_owned(), "grace-2".to_owned()];

    let create = Golden::read(include_str!("../../../golden/create.json"))?;
    let regulation = Regulation::SuppressWithDeleteInternal;
    create.matches(&wire.create(regulation, &ids).map_err(said)?)?;
    ensure(wire::read_created(&create.reply()).as_deref() == Ok(ID), "create: not read")?;

    let standing = Golden::read(include_str!("../../../golden/regulation.json"))?;
    standing.matches(&wire.regulation(ID))?;
    let read = wire::read_regulation(&standing.reply(), ID).map_err(said)?.ok_or("gone")?;
    ensure(
        wire::in_words(&read) == "regulation FAILED; entries: 1 FINISHED, 1 FAILED",
        wire::in_words(&read),
    )?;
    ensure(wire::read_regulation(&standing.reply(), "other").is_err(), "another regulation")?;

    let gone = Golden::read(include_str!("../../../golden/regulation-gone.json"))?;
    ensure(wire::read_regulation(&gone.reply(), ID) == Ok(None), "gone: not read")?;

    let list = Golden::read(include_str!("../../../golden/regulations.json"))?;
    list.matches(&wire.regulations(wire::REGULATIONS_A_PAGE, Some("MTA=")))?;
    let page = wire::read_listed(&list.reply()).map_err(said)?;
    ensure(page.next.as_deref() == Some("MjA="), "list: no next page")?;
    let sent_at: Timestamp = "2026-11-18T11:06:40.700Z".parse().map_err(|_| "date")?;
    let found = page.entries.iter().any(|listed| listed.answers(regulation, &ids, sent_at));
    ensure(found, "list: the order is not recognised")?;

    let suppressions = Golden::read(include_str!("../../../golden/suppressions.json"))?;
    suppressions.matches(&wire_with(Paging::Dots).suppressions(None))?;
    let page = wire::read_suppressed(&suppressions.reply()).map_err(said)?;
    ensure(page.entries == ["ada-1"] && page.next.is_none(), "suppressions: not read")?;

    let workspace = Golden::read(include_str!("../../../golden/workspace.json"))?;
    workspace.matches(&wire.workspace())?;
    let read = wire::read_workspace(&workspace.reply()).map_err(said)?;
    ensure(read.name == "Analytical Engines", "workspace: not read")?;

    let profile = Golden::read(include_str!("../../../golden/profile.json"))?;
    profile.matches(&wire.profile_by_user_id("ada-1").ok_or("no space")?)?;
    ensure(wire::read_profile(&profile.reply()) == Ok(true), "profile: not read")?;

    let absent = Golden::read(include_str!("../../../golden/profile-absent.json"))?;
    absent.matches(&wire.profile_by_email("ada+x@example.com").ok_or("no space")?)?;
    ensure(wire::read_profile(&absent.reply()) == Ok(false), "absent profile: not read")
}

pub fn settings() -> Result<(), String> {
    let us = ("https://api.segmentapis.com", "https://profiles.segment.com");
    let eu = ("https://eu1.api.segmentapis.com", "https://profiles.euw1.segment.com");
    for (settings, want) in [
        (json!({ "token": "t" }), Some(us)),
        (json!({ "token": "t", "region": "eu" }), Some(eu)),
        (json!({ "token": "t", "profile_space": "a1", "profile_token": "p" }), Some(us)),
        (json!({ "token": "t", "region": "mars" }), None),
        (json!({ "token": "" }), None),
        (json!({ "token": "t", "profile_space": "a1" }), None),
        (json!({ "token": "t", "profile_token": "p" }), None),
        (json!({ "token": "t", "profile_space": "a/../b", "profile_token": "p" }), None),
        (json!({ "token": "t", "suppression_pages": 101 }), None),
        (json!({ "token": "t", "own_systems": [" "] }), None),
    ] {
        let read = Settings::read(&settings).and_then(|s| s.space().map(|_| s.bases(None)));
        let bases = read.as_ref().ok().map(|(api, profiles)| (api.as_str(), profiles.as_str()));
        ensure(bases == want, format!("{want:?} became {bases:?}"))?;
    }
    Ok(())
}

fn standing(overall: &str, entries: &[(&str, &str)]) -> Standing {
    let entry = |(name, status): &(&str, &str)| Entry {
        name: (*name).to_owned(),
        status: Status::from((*status).to_owned()),
    };
    let overall = Status::from(overall.to_owned());
    Standing { overall, entries: entries.iter().map(entry).collect() }
}

pub fn judged() -> Result<(), String> {
    const DONE: &str = "done";
    const FORWARDED: &str = "done and forwarded";
    const GOING: &str = "still going";
    const UNCLEAR: &str = "unclear";
    let own = ["segment".to_owned()];
    let inside = Regulation::DeleteInternal;
    let outside = Regulation::DeleteOnly;
    let own_done = ("Segment", "FINISHED");
    for (regulation, overall, entries, named, unnamed) in [
        (inside, "INITIALIZED", vec![], GOING, GOING),
        (inside, "RUNNING", vec![own_done], GOING, GOING),
        (inside, "INVALID", vec![], "invalid", "invalid"),
        (inside, "NOT_SUPPORTED", vec![], UNCLEAR, UNCLEAR),
        (inside, "PONDERING", vec![own_done], UNCLEAR, UNCLEAR),
        (inside, "finished", vec![], UNCLEAR, UNCLEAR),
        (inside, "FINISHED", vec![], DONE, DONE),
        (inside, "FINISHED", vec![own_done], DONE, DONE),
        (inside, "FINISHED", vec![("Segment", "RUNNING")], GOING, GOING),
        (inside, "FINISHED", vec![("Segment", "FAILED")], UNCLEAR, UNCLEAR),
        (inside, "FINISHED", vec![("S3", "PONDERING")], UNCLEAR, UNCLEAR),
        (inside, "FAILED", vec![], UNCLEAR, UNCLEAR),
        (inside, "FAILED", vec![own_done, ("Heap", "FAILED")], DONE, UNCLEAR),
        (inside, "PARTIAL_SUCCESS", vec![own_done, ("Heap", "NOT_SUPPORTED")], DONE, UNCLEAR),
        (inside, "FAILED", vec![("Segment", "FAILED")], UNCLEAR, UNCLEAR),
        (outside, "FINISHED", vec![], DONE, DONE),
        (outside, "FINISHED", vec![("Braze", "FINISHED")], FORWARDED, FORWARDED),
        (outside, "FINISHED", vec![("Heap", "NOT_SUPPORTED")], DONE, DONE),
        (outside, "FINISHED", vec![own_done], DONE, FORWARDED),
        (outside, "FINISHED", vec![own_done, ("Braze", "RUNNING")], GOING, GOING),
        (outside, "FAILED", vec![own_done, ("Heap", "NOT_SUPPORTED")], DONE, UNCLEAR),
        (outside, "FAILED", vec![own_done, ("Braze", "FINISHED")], FORWARDED, UNCLEAR),
        (outside, "FAILED", vec![own_done, ("Braze", "FAILED")], UNCLEAR, UNCLEAR),
        (outside, "FAILED", vec![("Braze", "FINISHED")], UNCLEAR, UNCLEAR),
    ] {
        let standing = standing(overall, &entries);
        for (names, want) in [(own.as_slice(), named), (&[], unnamed)] {
            let word = match wire::judge(&standing, regulation, names) {
                Verdict::StillGoing => GOING,
                Verdict::Done { forwarded: false } => DONE,
                Verdict::Done { forwarded: true } => FORWARDED,
                Verdict::Invalid => "invalid",
                Verdict::Unclear(_) => UNCLEAR,
            };
            ensure(word == want, format!("{overall} {entries:?} {names:?}: {word}, not {want}"))?;
        }
    }
    Ok(())
}

/// The made-up reply comes on 2026-11-18T11:06:40Z.
pub fn quota() -> Result<(), String> {
    let limited = Golden::read(include_str!("../../../golden/limited.json"))?;
    let spent = wire::read_created(&limited.reply());
    ensure(
        matches!(spent, Err(ConnectorError::QuotaSpent { until: Some(_) })),
        format!("{spent:?}"),
    )?;
    let month = "2026-11-30T23:59:59Z";
    for (headers, is_quota) in [
        (vec![("retry-after", "30")], false),
        (vec![("retry-after", "30"), ("x-ratelimit-reset", month)], false),
        (vec![("x-ratelimit-reset", "Wed, 18 Nov 2026 11:07:10 GMT")], false),
        (vec![("x-ratelimit-reset", "1795000030")], false),
        (vec![("x-ratelimit-remaining", "0")], false),
        (vec![], false),
        (vec![("x-regulation-ratelimit-reset", month)], true),
        (vec![("x-regulation-ratelimit-remaining", "0")], true),
        (vec![("x-regulation-ratelimit-remaining", "5")], false),
    ] {
        let failure = wire::create_failure(&Reply::made_up(429, &headers, "{}"));
        let as_wanted = match &failure {
            ConnectorError::QuotaSpent { .. } => is_quota,
            ConnectorError::Retryable { retry_after: Some(_), .. } => !is_quota,
            _ => false,
        };
        ensure(as_wanted, format!("{headers:?}: {failure:?}"))?;
    }
    Ok(())
}
