//! The wrong file: picked in a hurry, imported for erasure, released.

use super::{
    DAY,
    house::{House, VENDORS, put_file},
    scene::Scene,
    table::{Kind, Played, Stop},
};

/// What is wrong with the file.
enum Wrong {
    /// As a whole: a part of the message.
    Whole(&'static str),
    /// Every row: a part of each reason.
    Rows(&'static str),
    /// Nothing that efface could see: people whom no vendor knows.
    Strangers,
}

use Wrong::{Rows, Strangers, Whole};

type File = (&'static str, &'static [u8], Wrong);

const FILES: [File; 25] = [
    ("prices.csv", b"article,price\nA-1,19.99\nA-2,5.00\n", Whole("not called anything")),
    ("price-list.csv", b"sku;title;net;gross\n1;Chair;10,00;11,90\n", Whole("not called anything")),
    ("products.csv", b"id,name,stock\n1001,Lamp,4\n1002,Desk,0\n", Whole("line 1")),
    ("products.tsv", b"ean\tproduct\tcolour\n4006381333931\tPen\tred\n", Whole("line 1")),
    (
        "newsletter.csv",
        b"E-Mail-Adresse;Vorname;Anmeldung\na@p.example;Ada;2026-01-02\n",
        Whole("`E-Mail-Adresse`"),
    ),
    (
        "campaign.csv",
        b"EMAIL_ADDRESS,OPT_IN_TIME,MEMBER_RATING\na@p.example,2026-01-01,2\n",
        Whole("did you mean `email`"),
    ),
    ("bounces.csv", b"Recipient,Bounce type,Date\na@p.example,hard,2026-03-04\n", Whole("line 1")),
    ("orders.csv", b"order,email,total\n77,a@p.example,12.00\n", Whole("`order`")),
    (
        "subscribers.csv",
        b"email,subscribed_at,list\na@p.example,2026-01-01,weekly\n",
        Whole("`subscribed_at`"),
    ),
    ("holidays.csv", b"Date,Name\n2026-12-25,Christmas\n", Whole("line 1")),
    ("logo.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10", Whole("line 1")),
    ("people.csv", b"PK\x03\x04\x14\0\x06\0workbook", Whole("a spreadsheet or an archive")),
    ("contract.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", Whole("a PDF")),
    ("backup.csv", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", Whole("compressed")),
    ("export-utf16.csv", b"\xff\xfee\0m\0a\0i\0l\0\n\0a\0", Whole("UTF-16")),
    ("people.xlsx", b"PK\x03\x04", Whole("does not tell its form")),
    ("empty.csv", b"", Whole("the file is empty")),
    ("only-head.csv", b"email,note\n", Whole("holds no rows")),
    ("list.ndjson", b"[{\"email\":\"a@p.example\"}]\n", Whole("JSON array")),
    ("headless.csv", b"ada@p.example,Ada\nbob@p.example,Bob\n", Whole("not called anything")),
    (
        "catalogue.csv",
        b"email,note\nGarden chair,10.00\nGarden table,49.00\n",
        Rows("is not an address"),
    ),
    ("amounts.csv", b"phone,note\n19.99,net\n23.79,gross\n", Rows("is not a telephone number")),
    (
        "events.ndjson",
        b"{\"event\":\"click\",\"at\":1}\n{\"event\":\"open\",\"at\":2}\n",
        Rows("unknown key"),
    ),
    (
        "suppliers.csv",
        b"email,note\nm.meier@supplier.example,Chairs\nk.kern@maker.example,Tables\n",
        Strangers,
    ),
    (
        "speakers.ndjson",
        b"{\"email\":\"z.zahl@talks.example\"}\n{\"email\":\"r.rund@talks.example\"}\n",
        Strangers,
    ),
];

/// Plays them all, in one house.
///
/// # Panics
/// When a brake does not hold.
pub async fn play() -> Vec<Played> {
    let scene = Scene::open(House::build(VENDORS).await).await;
    scene.people(["a@p.example", "ada@p.example", "bob@p.example"]);
    let mut stops = vec![];
    for (name, content, wrong) in &FILES {
        put_file(&scene.house, name, content);
        stops.push(import(&scene, name, wrong).await);
    }
    scene.release_is_now();
    let work = async {
        scene.control(0).await;
        let early = scene.cooled().await;
        scene.at_until(DAY * 2, "nobody is found", async || scene.nobody_found().await == 4).await;
        assert!(scene.nobody_else_was_reached(), "{:?}", scene.strangers());
        early
    };
    let early = scene.world.while_working(work).await;
    let played = |(n, stop): (usize, Stop)| Played {
        kind: Kind::WrongFile,
        stop,
        irreversible_before: if n == 0 { early } else { 0 },
        reached_in_a_day: 0,
        parked: false,
    };
    stops.into_iter().enumerate().map(played).collect()
}

async fn import(scene: &Scene, name: &str, wrong: &Wrong) -> Stop {
    let before = scene.stored().await;
    let ran = scene.house.import_hurriedly(name, &[]).await;
    match wrong {
        Whole(part) => {
            assert!(matches!(ran.exit, 1 | 2), "{name}: {ran:?}");
            let told = format!("{}{}", ran.out, ran.err);
            assert!(told.contains(part), "{name}: no {part:?} in {ran:?}");
            assert!(!told.contains("@p.example"), "{name}: {told} names a person");
        }
        Rows(part) => {
            assert_eq!(ran.exit, 1, "{name}: {ran:?}");
            let receipt = scene.house.receipt(name);
            assert_eq!(receipt.len(), 2, "{name}");
            for (line, outcome, why) in receipt {
                assert!(line > 0 && outcome == "refused" && why.contains(part), "{name}: {why}");
            }
            let import = ran.json()["import"].as_str().expect("an import").to_owned();
            let release = scene.house.release_hurriedly(&import).await;
            assert_eq!(release.exit, 3, "{name}: {release:?}");
        }
        Strangers => {
            let import = ran.done()["import"].as_str().expect("an import").to_owned();
            assert_eq!(scene.house.release_hurriedly(&import).await.done()["released"], 2);
            return Stop::LookUp;
        }
    }
    assert_eq!(scene.stored().await, before, "{name}: what is refused leaves no row and no tag");
    Stop::Filing
}
