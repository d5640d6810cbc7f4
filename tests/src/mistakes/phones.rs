//! One telephone number, filed for two persons: whose it really is nobody knows, so it may drive
//! nothing.

use efface_core::{
    Identifier, IdentifierKind, Provenance, RequestAction, RequestId,
    request::RequestState,
    subject::Standing,
    task::{Cause, TaskState},
};
use efface_store::Filed;

use super::{
    COOLED, DAY, JUST_BEFORE,
    house::{House, VENDORS},
    scene::Scene,
    table::{Kind, Played, Stop},
};
use crate::world::released;

/// Who names an e-mail address beside the number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Both,
    Three,
    /// The second names the number alone: who can tell that from the first person?
    FirstOnly,
    /// The first names the number alone.
    SecondOnly,
    /// Filed in one go, as an import does.
    Together,
}

use Shape::{Both, FirstOnly, SecondOnly, Three, Together};

/// The number as it is typed for the first person and for the second.
const NUMBERS: [(&str, &str, Shape); 25] = [
    ("+4930901820", "+4930901820", Both),
    ("+4930901821", "030 901821", Both),
    ("030/901822", "+49 30 901822", Both),
    ("0049 30 901823", "+49 (0)30 901823", Both),
    ("+49 151 23456780", "0151-23456780", Both),
    ("+49 151 23456781", "+4915123456781", Both),
    ("+44 20 7946 0958", "+442079460958", Both),
    ("+33 1 42 68 53 00", "+33142685300", Both),
    ("+1 415 555 2671", "+1 (415) 555-2671", Both),
    ("+43 1 58858 0", "+431588580", Both),
    ("+41 44 668 18 00", "+41446681800", Three),
    ("+4930901824", "030 90 18 24", Three),
    ("+49 151 23456782", "0151 23456782", Three),
    ("+4930901825", "030 901825", Together),
    ("+4930901826", "030 901826", Together),
    ("+49 151 23456783", "0151 23456783", Together),
    ("+44 20 7946 0959", "+442079460959", Together),
    ("+4930901827", "030 901827", FirstOnly),
    ("+4930901828", "030 901828", FirstOnly),
    ("+49 151 23456784", "0151 23456784", FirstOnly),
    ("+33 1 42 68 53 01", "+33142685301", FirstOnly),
    ("+4930901829", "030 901829", SecondOnly),
    ("+4930901830", "030 901830", SecondOnly),
    ("+49 151 23456785", "0151 23456785", SecondOnly),
    ("+1 415 555 2672", "+14155552672", SecondOnly),
];

fn address(n: usize, who: char) -> String {
    format!("{who}{n}@person.example")
}

fn identifiers(number: &str, address: Option<String>) -> Vec<Identifier> {
    let proof = || Provenance::Proved { how: "letter".into(), by: "test".into() };
    let phone = Identifier::parse(IdentifierKind::Phone, number, proof(), Some("DE"));
    let mut all = vec![phone.unwrap_or_else(|e| panic!("{number}: {e}"))];
    all.extend(
        address.map(|a| {
            Identifier::parse(IdentifierKind::Email, &a, proof(), None).expect("an address")
        }),
    );
    all
}

/// Plays them all, in one house.
///
/// # Panics
/// When a brake does not hold.
pub async fn play() -> Vec<Played> {
    let scene = Scene::open(House::build(VENDORS).await).await;
    let mut wanted: Vec<String> = vec![];
    for (n, (first, second, shape)) in NUMBERS.iter().enumerate() {
        let named = |who| Some(address(n, who));
        let everybody = ['a', 'b', 'c'].map(|who| address(n, who));
        scene.people(everybody.iter().map(String::as_str));
        let people = match shape {
            Both | Together => {
                vec![identifiers(first, named('a')), identifiers(second, named('b'))]
            }
            Three => vec![
                identifiers(first, named('a')),
                identifiers(second, named('b')),
                identifiers(first, named('c')),
            ],
            FirstOnly => vec![identifiers(first, named('a')), identifiers(second, None)],
            SecondOnly => vec![identifiers(first, None), identifiers(second, named('b'))],
        };
        let filed = file(&scene, people, *shape == Together).await;
        set_aside(&scene, n, *shape, &filed).await;
        // whose own address was proved asked for it; the number adds nobody
        wanted.extend(match shape {
            Both | Together => vec![address(n, 'a'), address(n, 'b')],
            Three => everybody.to_vec(),
            FirstOnly => vec![address(n, 'a')],
            SecondOnly => vec![],
        });
    }
    wanted.sort();
    scene.release_is_now();
    let work = async {
        scene.at(JUST_BEFORE).await;
        let early = scene.irreversible().await;
        assert_eq!(scene.calls(), 0, "nobody is asked anything in the cooling-off");
        let all = wanted.len();
        let done = async || scene.strangers().values().all(|who| who.len() == all);
        scene.at_until(COOLED, "whoever asked is erased", done).await;
        scene.at(DAY * 2 - super::HOUR).await;
        for (vendor, who) in scene.reached() {
            assert!(who.iter().eq(&wanted), "{vendor}: {who:?}");
        }
        early
    };
    let early = scene.world.while_working(work).await;
    let played = |n: usize| Played {
        kind: Kind::SharedPhone,
        stop: Stop::Filing,
        irreversible_before: if n == 0 { early } else { 0 },
        reached_in_a_day: 0,
        parked: false,
    };
    (0..NUMBERS.len()).map(played).collect()
}

async fn file(scene: &Scene, people: Vec<Vec<Identifier>>, together: bool) -> Vec<Filed> {
    let mut requests: Vec<_> =
        people.into_iter().map(|who| released(RequestAction::Erase, who)).collect();
    let mut filed = vec![];
    while !requests.is_empty() {
        let rest = requests.split_off(if together { requests.len() } else { 1 });
        let group = std::mem::replace(&mut requests, rest);
        filed.extend(scene.world.store.file(group).await);
    }
    filed.into_iter().map(|f| f.expect("filed")).collect()
}

/// The number drives nothing for anybody, or the second request is none of its own.
async fn set_aside(scene: &Scene, n: usize, shape: Shape, filed: &[Filed]) {
    let at = format!("number {n}, {shape:?}: {filed:?}");
    if matches!(shape, FirstOnly | SecondOnly) {
        let [Filed::New(first), Filed::Duplicate { id, of }] = filed else { panic!("{at}") };
        assert_eq!(first, of, "{at}");
        let view = scene.world.store.request(*id).await.expect("request");
        assert!(matches!(view.request.state, RequestState::Duplicate { .. }), "{at}");
        assert!(scene.world.store.release(*id, "test").await.is_err(), "{at}: a duplicate");
        if shape == SecondOnly {
            waits_for_an_identifier(scene, *first).await;
        }
        return;
    }
    for one in filed {
        let Filed::New(id) = one else { panic!("{at}") };
        let dossier = scene.world.store.dossier(*id).await.expect("dossier");
        for identifier in &dossier.identifiers {
            let is_phone = identifier.kind == IdentifierKind::Phone;
            assert_eq!(identifier.standing == Standing::Shared, is_phone, "{at}");
            assert_eq!(identifier.drives(), !is_phone, "{at}");
        }
    }
}

async fn waits_for_an_identifier(scene: &Scene, id: RequestId) {
    for task in scene.world.tasks(&[id]).await {
        let waits =
            matches!(task.state, TaskState::Blocked { cause: Cause::MissingIdentifier { .. } });
        assert!(waits, "a number alone names nobody there: {task:?}");
    }
}
