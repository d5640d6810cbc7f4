//! What a vendor's refusals and failures must become, at every call of every step.

use std::time::Duration;

use efface_connector::{
    Answer, ConnectorError, NeedsPerson, Timestamp,
    fake::{FakeReply, Fault},
};

use super::{
    Broken, Kept, ensure,
    lost::{Spot, at, spots},
    not_applicable,
    rig::{Rig, error_of, is_success},
};

/// How far ahead a limited call is told to wait.
const WAIT: Duration = Duration::from_secs(30);

/// What an outcome must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    CredentialsRefused,
    SettingsWrong,
    Limited,
    Unknown,
    NoSuccess,
}

impl Want {
    pub(super) fn check(
        self,
        outcome: &Result<Answer, ConnectorError>,
        does_nothing_at: &[u16],
    ) -> Kept {
        let error = error_of(outcome);
        let fits = match self {
            Self::CredentialsRefused => matches!(
                error,
                Some(ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { .. }))
            ),
            Self::SettingsWrong => matches!(
                error,
                Some(ConnectorError::NeedsPerson(NeedsPerson::SettingsWrong { .. }))
            ),
            Self::Limited => matches!(
                error,
                Some(ConnectorError::Retryable { retry_after: Some(wait), .. })
                    if *wait <= WAIT && *wait + Duration::from_secs(10) >= WAIT
            ),
            Self::Unknown => match error {
                Some(ConnectorError::Unknown { .. }) => true,
                Some(ConnectorError::Retryable { .. }) => !does_nothing_at.is_empty(),
                _ => false,
            },
            Self::NoSuccess => !is_success(outcome),
        };
        ensure(fits, || format!("{self:?} was wanted, it became {outcome:?}"))
    }
}

/// One fault, what it must become, and where it comes.
pub(super) struct Case {
    pub id: &'static str,
    pub sentence: &'static str,
    pub want: Want,
    pub fault: fn(&Rig, Timestamp) -> Vec<Fault>,
}

pub(super) const CASES: &[Case] = &[
    Case {
        id: "refused-401",
        sentence: "a refused key (401) is a matter of the account",
        want: Want::CredentialsRefused,
        fault: |rig, _| vec![refusal(rig, 401)],
    },
    Case {
        id: "refused-403",
        sentence: "a missing right (403) is a matter of the account",
        want: Want::CredentialsRefused,
        fault: |rig, _| vec![refusal(rig, 403)],
    },
    Case {
        id: "limited",
        sentence: "a limited call (429) waits as long as told, in every form of telling",
        want: Want::Limited,
        fault: |_, now| limits(now),
    },
    Case {
        id: "server-error",
        sentence: "a server's error leaves the outcome unknown",
        want: Want::Unknown,
        fault: |_, _| vec![Fault::status(500), Fault::status(502), Fault::status(504)],
    },
    Case {
        id: "broken-off",
        sentence: "an answer that breaks off, or never comes, leaves the outcome unknown",
        want: Want::Unknown,
        fault: |_, _| vec![Fault::BreakAfter, Fault::SilenceAfter],
    },
    Case {
        id: "unreadable",
        sentence: "a success that cannot be read is no success",
        want: Want::NoSuccess,
        fault: |_, _| {
            let html = "<html>welcome</html>";
            vec![Fault::GarbageAfter, reply(201, html), reply(202, html), reply(302, html)]
        },
    },
    Case {
        id: "foreign-404",
        sentence: "another server's 404 does not mean that nobody was found",
        want: Want::NoSuccess,
        fault: |_, _| vec![reply(404, "<html>nothing here</html>")],
    },
    Case {
        id: "bad-request",
        sentence: "a definite refusal is no success, whoever it names",
        want: Want::NoSuccess,
        fault: |rig, _| {
            let named: Vec<String> = rig.typed(1).into_iter().map(|(_, text)| text).collect();
            let body = format!("{{\"errors\":[{{\"message\":\"bad: {}\"}}]}}", named.join(" "));
            vec![reply(400, &body), reply(422, &body)]
        },
    },
];

pub(super) async fn run(rig: &mut Rig) {
    let Ok(spots) = spots(rig).await else { return };
    for case in CASES {
        let kept = everywhere(rig, &spots, case).await;
        rig.note(case.id, case.sentence, kept);
    }
    let kept = place_lost(rig, &spots).await;
    rig.note("place-lost", "a project or list the vendor does not know is a wrong setting", kept);
}

/// Shows each fault of a case at each call of each step, to an order sent once.
async fn everywhere(rig: &mut Rig, spots: &[Spot], case: &Case) -> Kept {
    for spot in spots {
        for nth in 0..spot.calls {
            let faults = (case.fault)(rig, Timestamp::default()).len();
            for which in 0..faults {
                let stand = rig.stand().await?;
                let (mut drive, people) = at(rig, &stand, spot.action, &spot.step).await?;
                let fault = (case.fault)(rig, drive.now()).swap_remove(which);
                let shown = fault.clone();
                stand.server.faults().next((0..nth).map(|_| Fault::None).chain([fault]));
                let scope = rig.scope(spot.action);
                let sent = drive.send(spot.action, scope, &spot.step, people).await?;
                rig.hear(drive);
                let kept = case.want.check(&sent.outcome, rig.manifest.does_nothing_at);
                kept.map_err(|broken| {
                    let place = format!("{}/{}, call {}", spot.action, spot.step, nth + 1);
                    at_place(broken, &format!("{place}, {shown:?}"))
                })?;
            }
        }
    }
    Ok(())
}

fn at_place(broken: Broken, place: &str) -> Broken {
    match broken {
        Broken::By(why) => Broken::By(format!("{place}: {why}")),
        other @ Broken::NotApplicable(_) => other,
    }
}

async fn place_lost(rig: &mut Rig, spots: &[Spot]) -> Kept {
    for spot in spots {
        let stand = rig.stand().await?;
        let (mut drive, people) = at(rig, &stand, spot.action, &spot.step).await?;
        if !stand.fake().lose_place() {
            return not_applicable("the vendor's URLs name no project or list");
        }
        let sent = drive.send(spot.action, rig.scope(spot.action), &spot.step, people).await?;
        rig.hear(drive);
        let kept = Want::SettingsWrong.check(&sent.outcome, &[]);
        kept.map_err(|b| at_place(b, &format!("{}/{}", spot.action, spot.step)))?;
    }
    Ok(())
}

/// The vendor's own words for a refusal, as a fault.
pub(super) fn refusal(rig: &Rig, status: u16) -> Fault {
    let FakeReply { status, headers, body, .. } = (rig.plugin.fake)().refusal(status);
    Fault::Reply { status, headers, body }
}

pub(super) fn reply(status: u16, body: &str) -> Fault {
    Fault::Reply { status, headers: vec![], body: body.to_owned() }
}

/// 429 in every form in which a vendor tells how long to wait.
pub(super) fn limits(now: Timestamp) -> Vec<Fault> {
    let until = now.plus(WAIT);
    let date = |pattern: &str| {
        let until = jiff::Timestamp::from_millisecond(until.millis()).unwrap_or_default();
        until.to_zoned(jiff::tz::TimeZone::UTC).strftime(pattern).to_string()
    };
    vec![
        Fault::limited("retry-after", "30"),
        Fault::limited("retry-after", &date("%a, %d %b %Y %H:%M:%S GMT")),
        Fault::limited("x-ratelimit-reset", &(until.millis() / 1000).to_string()),
        Fault::limited("x-ratelimit-reset", "30"),
        Fault::limited("x-ratelimit-reset", &date("%a, %d %b %Y %H:%M:%S +0000")),
    ]
}
