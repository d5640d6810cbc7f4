//! Identifiers that name nobody, or somebody who must not be erased in a hurry: each is tried at the
//! door for one request and as a row of a file.

use std::fmt::Write as _;

use efface_core::{
    Identifier,
    IdentifierKind::{self, AdvertisingId, DeviceId, Email, Phone, UserId},
    Provenance, RequestAction,
};

use super::{
    DAY,
    house::{House, VENDORS, put_file},
    scene::Scene,
    table::{Kind, Played, Stop},
};
use crate::world::released;

/// What is typed, as which kind of identifier, and a part of the reason it is refused for.
type Row = (IdentifierKind, &'static str, &'static str);

const PATTERN: &str = "is a pattern";
const PLACEHOLDER: &str = "is a placeholder";
const NO_ADDRESS: &str = "is not an address";
const NO_NUMBER: &str = "is not a telephone number";
const EMPTY: &str = "empty";
const OWN: &str = "one of the controller's own domains";
const STAFF: &str = "belongs to a member of staff";
const ROLE: &str = "is a role mailbox";
const TEST: &str = "is a test account";

const NOBODY: [Row; 25] = [
    (Email, "", EMPTY),
    (UserId, "   ", EMPTY),
    (UserId, "\u{200b}", "holds a control character"),
    (Email, "*", NO_ADDRESS),
    (Email, "*@person.example", PATTERN),
    (Email, "%@person.example", PATTERN),
    (Email, "?@person.example", PATTERN),
    (UserId, "*", PATTERN),
    (UserId, "%", PATTERN),
    (Email, "null@person.example", PLACEHOLDER),
    (Email, "unknown@unknown.example", PLACEHOLDER),
    (Email, "none@none.example", PLACEHOLDER),
    (Email, "noemail@noemail.example", PLACEHOLDER),
    (Email, "test@person.example", ROLE),
    (Email, "n/a", NO_ADDRESS),
    (UserId, "null", PLACEHOLDER),
    (UserId, "0", PLACEHOLDER),
    (UserId, "Unknown", PLACEHOLDER),
    (UserId, "n/a", PLACEHOLDER),
    (UserId, "(not set)", PLACEHOLDER),
    (DeviceId, "00000000-0000-0000-0000-000000000000", PLACEHOLDER),
    (AdvertisingId, "00000000", PLACEHOLDER),
    (Phone, "0", NO_NUMBER),
    (Phone, "unknown", NO_NUMBER),
    (UserId, "qa-1", TEST),
];

const STAFF_ROWS: [Row; 25] = [
    (Email, "jane.doe@acme.example", OWN),
    (Email, "JANE.DOE@ACME.EXAMPLE", OWN),
    (Email, " max@acme.example ", OWN),
    (Email, "max+shop@acme.example", OWN),
    (Email, "ops@mail.acme.example", OWN),
    (Email, "a.b@eu.mail.acme.example", OWN),
    (Email, "ceo@acme-group.example", OWN),
    (Email, "Board@Acme-Group.Example", OWN),
    (Email, "x@intern.acme-group.example", OWN),
    (Email, "trainee7@acme.example", OWN),
    (Email, "o'neil@acme.example", OWN),
    (Email, "jürgen@acme.example", OWN),
    (Email, "privacy.team@acme.example", OWN),
    (UserId, "jane.doe@acme.example", OWN),
    (UserId, "Max@Mail.Acme.Example", OWN),
    (DeviceId, "ceo@acme-group.example", OWN),
    (Email, "founder@private.example", STAFF),
    (Email, "Founder@Private.Example", STAFF),
    (Email, "founder+shop@private.example", STAFF),
    (Email, "eve@home.example", STAFF),
    (Email, "EVE@HOME.EXAMPLE", STAFF),
    (Email, "eve+news+2@home.example", STAFF),
    (UserId, "eve@home.example", STAFF),
    (UserId, "founder+x@private.example", STAFF),
    (AdvertisingId, "eve@home.example", STAFF),
];

const ROLES: [Row; 25] = [
    (Email, "info@person.example", ROLE),
    (Email, "support@person.example", ROLE),
    (Email, "privacy@person.example", ROLE),
    (Email, "INFO@Person.Example", ROLE),
    (Email, "info+shop@person.example", ROLE),
    (Email, "sales@shop.example", ROLE),
    (Email, "billing@shop.example", ROLE),
    (Email, "noreply@shop.example", ROLE),
    (Email, "no-reply@shop.example", ROLE),
    (Email, "postmaster@isp.example", ROLE),
    (Email, "webmaster@isp.example", ROLE),
    (Email, "abuse@isp.example", ROLE),
    (Email, "security@isp.example", ROLE),
    (Email, "dpo@bank.example", ROLE),
    (Email, "hr@bank.example", ROLE),
    (Email, "jobs@bank.example", ROLE),
    (Email, "newsletter@club.example", ROLE),
    (Email, "contact@club.example", ROLE),
    (Email, "hello@club.example", ROLE),
    (Email, "office@club.example", ROLE),
    (Email, "team+all@club.example", ROLE),
    (Email, "accounting@firm.example", ROLE),
    (Email, "datenschutz@firm.example", ROLE),
    (UserId, "info@firm.example", ROLE),
    (UserId, "Support@firm.example", ROLE),
];

/// Plays one kind, in one house.
///
/// # Panics
/// When a brake does not hold.
pub async fn play(kind: Kind) -> Vec<Played> {
    let rows = match kind {
        Kind::OwnStaff => &STAFF_ROWS,
        Kind::RoleMailbox => &ROLES,
        _ => &NOBODY,
    };
    let scene = Scene::open(House::build(VENDORS).await).await;
    // they are real at the vendors: what is not stopped would be found
    scene.people(rows.iter().map(|(_, text, _)| text.trim()).filter(|text| text.contains('@')));
    for (kind, text, reason) in rows {
        let refused = one(&scene, kind, text).await.expect_err(text);
        assert!(refused.contains(reason), "{text}: {refused}");
        assert!(refused.contains(&kind.word()), "{text}: {refused} names the kind");
        assert!(!text.contains('@') || !refused.contains(text), "{text}: {refused} repeats it");
    }
    file(&scene, rows).await;
    assert_eq!(scene.stored().await, [0; 3], "what is refused leaves no row and no tag");

    scene.release_is_now();
    let work = async {
        scene.control(0).await;
        let early = scene.cooled().await;
        scene.at(DAY * 2).await;
        assert!(scene.nobody_else_was_reached(), "{:?}", scene.strangers());
        early
    };
    let early = scene.world.while_working(work).await;
    let played = |n: usize| Played {
        kind,
        stop: Stop::Filing,
        irreversible_before: if n == 0 { early } else { 0 },
        reached_in_a_day: 0,
        parked: false,
    };
    (0..rows.len()).map(played).collect()
}

/// The door for one request: proved, and released in the same breath.
async fn one(scene: &Scene, kind: &IdentifierKind, text: &str) -> Result<(), String> {
    let proof = Provenance::Proved { how: "account login".into(), by: "test".into() };
    let read = Identifier::parse(kind.clone(), text, proof, Some("DE"));
    let identifier = read.map_err(|e| e.to_string())?;
    let filed = scene.world.store.file(vec![released(RequestAction::Erase, vec![identifier])]);
    filed.await.pop().expect("an answer").map(|_| ()).map_err(|e| e.to_string())
}

/// The same identifiers as rows of a file, and the release of whatever came of it.
async fn file(scene: &Scene, rows: &[Row]) {
    let kinds = [Email, Phone, UserId, DeviceId, AdvertisingId];
    let words: Vec<String> = kinds.iter().map(IdentifierKind::word).collect();
    let mut text = format!("{},note\n", words.join(","));
    for (n, (kind, typed, _)) in rows.iter().enumerate() {
        let cell =
            |k: &IdentifierKind| if k == kind { format!("\"{typed}\"") } else { String::new() };
        let cells: Vec<String> = kinds.iter().map(cell).collect();
        let _ = writeln!(text, "{},row {n}", cells.join(","));
    }
    put_file(&scene.house, "rows.csv", text.as_bytes());
    let ran = scene.house.import_hurriedly("rows.csv", &[]).await;
    assert_eq!(ran.exit, 1, "{ran:?}");
    let told = ran.json();
    assert_eq!((&told["filed"], &told["refused"]), (&0.into(), &rows.len().into()), "{told}");
    let receipt = scene.house.receipt("rows.csv");
    assert_eq!(receipt.len(), rows.len());
    for ((n, (_, typed, reason)), (line, outcome, why)) in rows.iter().enumerate().zip(&receipt) {
        assert_eq!((*line, outcome.as_str()), (n as u64 + 2, "refused"), "{typed}");
        assert!(why.contains(reason), "{typed}: {why}");
    }
    let release = scene.house.release_hurriedly(told["import"].as_str().expect("an import")).await;
    assert_eq!(release.exit, 3, "{release:?}");
    assert!(release.err.contains("nothing waits for release"), "{release:?}");
}
