//! The whole CRM, filed for erasure: every row is good, so that only a person can see the mistake.

use std::sync::Arc;

use super::{
    COOLED, DAY, HOUR, JUST_BEFORE,
    house::{CEILING, House, VENDORS, put_file},
    scene::Scene,
    table::{Kind, Played, Stop},
};

/// How a CRM writes its people down.
#[derive(Clone, Copy, Debug)]
enum Form {
    Plain,
    Named,
    Spreadsheet,
    Tabs,
    Lines,
    TwoAddresses,
    WithPhone,
    /// Without anything that could count as a proof.
    Unproved,
}

const EXPORTS: [(&str, u32, Form); 25] = [
    ("all-contacts.csv", 2000, Form::Plain),
    ("customers-2026.csv", 150, Form::Named),
    ("Kontakte.csv", 160, Form::Spreadsheet),
    ("crm-dump.tsv", 130, Form::Tabs),
    ("contacts.ndjson", 140, Form::Lines),
    ("addresses.csv", 120, Form::TwoAddresses),
    ("callcentre.csv", 110, Form::WithPhone),
    ("newsletter-recipients.csv", 350, Form::Plain),
    ("webshop-customers.csv", 101, Form::Named),
    ("Kundenliste final.csv", 105, Form::Spreadsheet),
    ("segment-a.tsv", 115, Form::Tabs),
    ("people-export.jsonl", 125, Form::Lines),
    ("members.csv", 135, Form::TwoAddresses),
    ("leads.csv", 145, Form::WithPhone),
    ("inactive.csv", 200, Form::Plain),
    ("do-not-delete.csv", 155, Form::Named),
    ("Export(1).csv", 108, Form::Spreadsheet),
    ("trial-users.tsv", 112, Form::Tabs),
    ("eu-only.ndjson", 117, Form::Lines),
    ("premium.csv", 122, Form::TwoAddresses),
    ("hotline.csv", 127, Form::WithPhone),
    ("backup-contacts.csv", 102, Form::Plain),
    ("all-contacts-copy.csv", 220, Form::Unproved),
    ("crm-monday.csv", 180, Form::Unproved),
    ("everyone.csv", 250, Form::Unproved),
];

impl Form {
    fn write(self, people: &[String]) -> String {
        let row = |(n, address): (usize, &String)| match self {
            Self::Plain | Self::Unproved => format!("{address}\n"),
            Self::Named => format!("{address},Person {n},Town {}\n", n % 7),
            Self::Spreadsheet => format!("Person {n};{address};\"12,50\"\n"),
            Self::Tabs => format!("C-{n}\t{address}\n"),
            Self::Lines => format!("{{\"email\":\"{address}\",\"note\":\"row {n}\"}}\n"),
            Self::TwoAddresses => format!("{address},second-{address}\n"),
            Self::WithPhone => format!("{address},+4930{}\n", 20_000_000 + n),
        };
        let head = match self {
            Self::Plain | Self::Unproved => "email\n",
            Self::Named => "email,name,town\n",
            Self::Spreadsheet => "Name;E-Mail;Umsatz\n",
            Self::Tabs => "user_id\temail\n",
            Self::Lines => "",
            Self::TwoAddresses => "email,email_2\n",
            Self::WithPhone => "email,phone\n",
        };
        head.to_owned() + &people.iter().enumerate().map(row).collect::<String>()
    }

    /// What the hurried person adds until the file is taken.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Named => &["--ignore-column", "name", "--ignore-column", "town"],
            Self::Spreadsheet => {
                &["--map", "E-Mail=email", "--ignore-column", "Name", "--ignore-column", "Umsatz"]
            }
            Self::Plain
            | Self::Tabs
            | Self::Lines
            | Self::TwoAddresses
            | Self::WithPhone
            | Self::Unproved => &[],
        }
    }
}

/// How many there are.
#[must_use]
pub const fn exports() -> usize {
    EXPORTS.len()
}

/// Plays one.
///
/// # Panics
/// When a brake does not hold.
pub async fn play(n: usize) -> Played {
    let (file, count, form) = EXPORTS[n];
    let people: Vec<String> = (0..count).map(|p| format!("c{n}-{p}@person.example")).collect();
    let scene = Scene::open(House::build(VENDORS).await).await;
    put_file(&scene.house, file, form.write(&people).as_bytes());
    let house = scene.house.clone();

    let preview = house.import_hurriedly(file, &[form.options(), &["--dry-run"]].concat()).await;
    let preview = preview.done();
    assert_eq!(preview["rows"], count, "{file}: the preview tells how many");
    assert_eq!(preview["sample"].as_array().map(Vec::len), Some(10), "{file}: ten masked rows");
    let accounts = preview["accounts"].as_array().expect("accounts");
    assert!(accounts.iter().all(|a| a["will_act"] == count), "{file}: at which accounts");
    let told = preview.to_string();
    assert!(!people.iter().any(|p| told.contains(p)), "{file}: the preview names nobody");
    assert_eq!(scene.stored().await, [0; 3], "{file}: a preview files nothing");

    let proved = !matches!(form, Form::Unproved);
    let imported = if proved {
        house.import_hurriedly(file, form.options()).await.done()
    } else {
        house.import(file, form.options()).await.done()
    };
    let import = imported["import"].as_str().expect("an import").to_owned();
    assert_eq!(imported["filed_new"], count, "{file}");
    let release = house.release_hurriedly(&import).await;
    if !proved {
        assert_eq!(release.exit, 3, "{file}: {release:?}");
        assert!(release.err.contains("nothing waits for release"), "{file}: {release:?}");
        let early = unproved(&scene, &people).await;
        return Played {
            kind: Kind::WholeExport,
            stop: Stop::Release,
            irreversible_before: early,
            reached_in_a_day: 0,
            parked: false,
        };
    }
    assert_eq!(release.done()["released"], count, "{file}");
    scene.release_is_now();
    let late = scene.fork().await;
    let ((early, ()), (late_early, reached)) = tokio::join!(
        noticed_in_time(&scene, &import, &people),
        noticed_late(&late, &import, &people)
    );
    Played {
        kind: Kind::WholeExport,
        stop: Stop::CoolingOff,
        irreversible_before: early + late_early,
        reached_in_a_day: reached,
        parked: true,
    }
}

async fn unproved(scene: &Scene, people: &[String]) -> usize {
    scene.people(people.iter().map(String::as_str));
    let work = async {
        scene.control(0).await;
        let early = scene.cooled().await;
        assert!(scene.nobody_else_was_reached(), "{:?}", scene.strangers());
        early
    };
    scene.world.while_working(work).await
}

/// Within the cooling-off a person notices and stops the import.
async fn noticed_in_time(scene: &Scene, import: &str, people: &[String]) -> (usize, ()) {
    scene.people(people.iter().map(String::as_str));
    let work = async {
        scene.control(0).await;
        scene.at(HOUR * 12).await;
        assert_eq!(scene.calls(), 0, "nobody is asked anything in the cooling-off");
        stop(&scene.house, import, people.len()).await;
        let early = scene.cooled().await;
        scene.at(DAY * 3).await;
        scene.at(DAY * 20).await;
        assert!(scene.nobody_else_was_reached(), "{:?}", scene.strangers());
        (early, ())
    };
    scene.world.while_working(work).await
}

/// Nobody notices before a day after the cooling-off.
async fn noticed_late(scene: &Scene, import: &str, people: &[String]) -> (usize, usize) {
    scene.people(people.iter().map(String::as_str));
    let work = async {
        scene.at(JUST_BEFORE).await;
        let early = scene.irreversible().await;
        assert_eq!(scene.calls(), 0, "nobody is asked anything in the cooling-off");
        scene
            .at_until(COOLED, "both accounts are parked", async || {
                scene.parked().await == VENDORS.len()
            })
            .await;
        scene.at(HOUR * 36).await;
        scene.at(DAY * 2 - HOUR / 2).await;
        let reached = scene.reached();
        for (vendor, who) in &reached {
            assert!(who.len() <= CEILING as usize, "{vendor} reached {} people", who.len());
            let held = scene.world.fakes[vendor].fake().people();
            assert_eq!(who.len() + held, people.len(), "{vendor}: held or reached");
        }
        let most = scene.most_reached();

        // everything first, then the import for good, then the rest may go on
        let all = scene.house.run_beside(&["stop", "--all", "--json"]).await.done();
        assert_eq!(all["stopped"], serde_json::json!(["hubspot", "mailchimp"]));
        scene.at(DAY * 2).await;
        stop(&scene.house, import, people.len()).await;
        scene.resume().await;
        scene.control(1).await;
        scene.at_until(DAY * 4, "the control is erased", async || scene.control_is_gone(1)).await;
        scene.at(DAY * 20).await;
        assert_eq!(scene.strangers(), reached, "nobody is reached after the stop");
        (early, most)
    };
    scene.world.while_working(work).await
}

async fn stop(house: &Arc<House>, import: &str, at_most: usize) {
    let stopped = house.run_beside(&["stop", "--import", import, "--json"]).await.done();
    let count = stopped["stopped"].as_array().map_or(0, Vec::len);
    assert!((1..=at_most).contains(&count), "{stopped}");
    assert_eq!(stopped["out"].as_array().map(Vec::len), Some(0), "{stopped}");
}
