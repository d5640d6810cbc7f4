//! A mistyped address: no address at all, nobody's, or another real person's.

use super::{
    COOLED, DAY, HOUR, JUST_BEFORE,
    house::{House, VENDORS},
    scene::Scene,
    table::{Kind, Played, Stop},
};

/// What is typed for `right@person.example`, and a part of the reason.
const MALFORMED: [(&str, &str); 9] = [
    ("right.person.example", "there is no '@'"),
    ("right@", "not a domain name"),
    ("@person.example", "exactly one '@'"),
    ("right@@person.example", "exactly one '@'"),
    ("right@person", "not a domain name"),
    ("right@person..example", "misplaced dot"),
    ("right @person.example", "a blank"),
    ("right@person,example", "comma"),
    ("<right@person.example>", "bracket"),
];

const OF_NOBODY: [&str; 8] = [
    "rigth@person.example",
    "right@persom.example",
    "right@person.exampel",
    "rright@person.example",
    "righ@person.example",
    "right@perrson.example",
    "r1ght@person.example",
    "right@peron.example",
];

const OF_ANOTHER: [&str; 8] = [
    "right@parson.example",
    "bright@person.example",
    "wright@person.example",
    "right2@person.example",
    "r.ight@person.example",
    "right@person-example.example",
    "right@other.example",
    "right.j@person.example",
];

/// Plays them all.
///
/// # Panics
/// When a brake does not hold.
pub async fn play() -> Vec<Played> {
    let scene = Scene::open(House::build(VENDORS).await).await;
    for (typed, part) in MALFORMED {
        let ran = file(&scene, typed).await;
        assert_eq!(ran.exit, 2, "{typed}: {ran:?}");
        assert!(ran.err.contains("--email") && ran.err.contains(part), "{typed}: {ran:?}");
    }
    assert_eq!(scene.stored().await, [0; 3], "what is refused leaves no row and no tag");
    let mut played = vec![one(Stop::Filing, 0, 0); MALFORMED.len()];
    for typed in OF_NOBODY {
        released(&scene, typed).await;
    }
    let early = nobody(scene).await;
    played.extend(vec![one(Stop::LookUp, 0, 0); OF_NOBODY.len()]);
    played[0].irreversible_before = early;
    for typed in OF_ANOTHER {
        played.push(another(typed).await);
    }
    played
}

const fn one(stop: Stop, early: usize, reached: usize) -> Played {
    Played {
        kind: Kind::Typo,
        stop,
        irreversible_before: early,
        reached_in_a_day: reached,
        parked: false,
    }
}

async fn file(scene: &Scene, typed: &str) -> super::house::Ran {
    let args = ["request", "file", "--json", "--action", "erase", "--proof", "letter", "--email"];
    scene.house.run_beside(&[&args[..], &[typed]].concat()).await
}

/// Filed, and released at once.
async fn released(scene: &Scene, typed: &str) -> String {
    let filed = file(scene, typed).await.done();
    let id = filed["request"]["id"].as_str().expect("an id").to_owned();
    let release = scene.house.run_beside(&["request", "release", &id, "--yes", "--json"]).await;
    assert_eq!(release.done()["released"], 1, "{typed}");
    id
}

/// Everybody is asked for, nobody is found, and a person is asked.
async fn nobody(scene: Scene) -> usize {
    scene.people(["right@person.example"]);
    scene.release_is_now();
    let work = async {
        scene.control(0).await;
        let early = scene.cooled().await;
        let all = OF_NOBODY.len();
        scene
            .at_until(DAY * 2, "nobody is found", async || scene.nobody_found().await == all)
            .await;
        assert!(scene.nobody_else_was_reached(), "{:?}", scene.strangers());
        early
    };
    scene.world.while_working(work).await
}

/// Two futures: cancelled within the cooling-off, or noticed too late for this one person.
async fn another(typed: &str) -> Played {
    let scene = Scene::open(House::build(VENDORS).await).await;
    let id = released(&scene, typed).await;
    scene.release_is_now();
    let late = scene.fork().await;
    for future in [&scene, &late] {
        future.people(["right@person.example", typed]);
    }
    let noticed = async {
        scene.control(0).await;
        scene.at(HOUR * 20).await;
        let cancelled = scene.house.run_beside(&["request", "cancel", &id, "--json"]).await;
        assert_eq!(cancelled.done()["request"]["state"], "cancelled", "{typed}");
        let early = scene.cooled().await;
        scene.at(DAY * 20).await;
        assert!(scene.nobody_else_was_reached(), "{:?}", scene.strangers());
        early
    };
    let early = scene.world.while_working(noticed).await;
    let unnoticed = async {
        late.at(JUST_BEFORE).await;
        let early = late.irreversible().await;
        assert_eq!(late.calls(), 0, "nobody is asked anything in the cooling-off");
        late.at_until(COOLED, "the wrong person is reached", async || late.most_reached() == 1)
            .await;
        late.at(DAY * 2).await;
        let all: Vec<_> = late.reached().into_values().flatten().collect();
        assert!(all.iter().all(|who| who == typed), "{all:?}");
        early
    };
    let late_early = late.world.while_working(unnoticed).await;
    one(Stop::CoolingOff, early + late_early, late.most_reached())
}
