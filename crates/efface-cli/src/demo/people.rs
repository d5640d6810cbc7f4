//! The people of the demo: made from a seed, the same for the same seed. The file in `config/demo/`
//! is what the default seed makes.

use std::fmt::Write as _;

/// How many people the demo files by default, and its seed.
pub const DEFAULT_PEOPLE: usize = 500;
pub const DEFAULT_SEED: u64 = 7;

/// What is special about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Ordinary,
    /// One of two who share a telephone.
    SharedPhone,
    /// A parent writes for a child.
    ParentForChild,
    Staff,
    OwnDomain,
    RoleMailbox,
    Wildcard,
    Placeholder,
    /// An address nobody knows.
    Typo,
    /// The same person once more.
    Duplicate,
    /// The same person once more, with a further identifier.
    DuplicateWithMore,
    /// No user id.
    LacksUserId,
    /// No proof of identity.
    Unproved,
    BadEmail,
    BadPhone,
    /// The vendor says done and keeps this person.
    LiedAbout,
    /// Of the second controller, whose key is wrong.
    SecondController,
}

/// One row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub number: usize,
    pub part: Part,
    pub action: &'static str,
    pub email: String,
    pub phone: String,
    pub user_id: String,
}

impl Person {
    /// Whether vendor number `vendor` holds this person.
    #[must_use]
    pub fn is_held_at(&self, vendor: usize) -> bool {
        match self.part {
            Part::Typo | Part::BadEmail | Part::Wildcard | Part::Placeholder => false,
            Part::LiedAbout | Part::SharedPhone | Part::ParentForChild => true,
            Part::Ordinary
            | Part::Staff
            | Part::OwnDomain
            | Part::RoleMailbox
            | Part::Duplicate
            | Part::DuplicateWithMore
            | Part::LacksUserId
            | Part::Unproved
            | Part::BadPhone
            | Part::SecondController => !(self.number * 7 + vendor * 3).is_multiple_of(10),
        }
    }

    fn scope(&self) -> &'static str {
        if self.action == "erase" { "" } else { "marketing" }
    }

    fn proof(&self) -> &'static str {
        if self.part == Part::Unproved { "" } else { "account login" }
    }
}

/// A small generator (splitmix64): the demo's chance, nothing else's.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.next() % from.len() as u64).unwrap_or(0);
        from[at]
    }
}

const GIVEN: &[&str] = &[
    "ada", "alan", "anna", "bela", "carla", "chen", "dara", "emil", "fatima", "grace", "hugo",
    "ines", "jan", "katja", "lena", "marta", "nils", "olga", "pavel", "rosa", "sami", "tove",
    "uwe", "vera", "wanda", "yusuf", "zoe",
];
const FAMILY: &[&str] = &[
    "adler", "berg", "costa", "dahl", "engel", "fischer", "gomez", "hahn", "ivanov", "jansen",
    "koch", "lindt", "moreau", "novak", "olsen", "petit", "quinn", "rossi", "silva", "tanaka",
    "ulm", "vogel", "weber", "yilmaz", "zeller",
];

/// The parts that appear once or a few times, whatever the number of people.
fn cast(people: usize) -> Vec<Part> {
    let share = |of_500: usize| (people * of_500).div_ceil(500).max(1);
    let mut cast = vec![
        Part::SharedPhone,
        Part::SharedPhone,
        Part::ParentForChild,
        Part::Staff,
        Part::OwnDomain,
        Part::RoleMailbox,
        Part::Wildcard,
        Part::Placeholder,
        Part::Typo,
        Part::BadEmail,
        Part::BadPhone,
        Part::LiedAbout,
        Part::DuplicateWithMore,
    ];
    for (part, of_500) in [
        (Part::Duplicate, 3),
        (Part::LacksUserId, 12),
        (Part::Unproved, 8),
        (Part::SecondController, 20),
    ] {
        cast.extend(std::iter::repeat_n(part, share(of_500)));
    }
    cast.truncate(people);
    cast
}

/// Makes `people` rows from `seed`.
#[must_use]
pub fn make(people: usize, seed: u64) -> Vec<Person> {
    let mut chance = Seeded(seed);
    let cast = cast(people);
    let ordinary = people - cast.len();
    let mut rows: Vec<Person> =
        (0..ordinary).map(|n| ordinary_person(n + 1, &mut chance)).collect();
    for part in cast {
        let number = rows.len() + 1;
        let mut person = ordinary_person(number, &mut chance);
        person.part = part;
        dress(&mut person, &rows);
        rows.push(person);
    }
    rows
}

fn ordinary_person(number: usize, chance: &mut Seeded) -> Person {
    let (given, family) = (chance.pick(GIVEN), chance.pick(FAMILY));
    let action = match chance.next() % 10 {
        0..=5 => "erase",
        6 | 7 => "erase_and_suppress",
        _ => "suppress",
    };
    Person {
        number,
        part: Part::Ordinary,
        action,
        email: format!("{given}.{family}{number}@example.com"),
        phone: String::new(),
        user_id: format!("u-{number:05}"),
    }
}

fn dress(person: &mut Person, before: &[Person]) {
    let erase = |p: &mut Person| p.action = "erase";
    match person.part {
        Part::SharedPhone => {
            erase(person);
            person.phone = "+442079460958".into();
        }
        Part::Staff => person.email = "eve@staff.example.org".into(),
        Part::OwnDomain => person.email = format!("colleague{}@acme.example", person.number),
        Part::RoleMailbox => {
            erase(person);
            person.email = "support@example.com".into();
        }
        Part::Wildcard => person.email = "*@example.com".into(),
        Part::Placeholder => person.user_id = "null".into(),
        Part::BadEmail => person.email = "not an address".into(),
        Part::BadPhone => person.phone = "12".into(),
        Part::Duplicate | Part::DuplicateWithMore => {
            let at = if person.part == Part::Duplicate {
                person.number % before.len().max(1)
            } else {
                0
            };
            if let Some(first) = before.get(at).filter(|p| p.part == Part::Ordinary) {
                person.action = first.action;
                person.email.clone_from(&first.email);
                person.user_id.clone_from(&first.user_id);
            }
            if person.part == Part::DuplicateWithMore {
                person.phone = "+4930901820".into();
            }
        }
        Part::LacksUserId => {
            erase(person);
            person.user_id = String::new();
        }
        Part::Ordinary
        | Part::ParentForChild
        | Part::Typo
        | Part::Unproved
        | Part::LiedAbout
        | Part::SecondController => erase(person),
    }
    if matches!(person.part, Part::Staff | Part::OwnDomain | Part::Wildcard | Part::Placeholder) {
        erase(person);
    }
}

/// The rows as the CSV file that is imported.
#[must_use]
pub fn csv(people: &[Person]) -> String {
    let mut out = "external_reference,action,scope,controller,requester_relation,requester_contact,proof,channel,language,email,phone,user_id\n".to_owned();
    for p in people {
        let (relation, contact) = if p.part == Part::ParentForChild {
            ("parent_or_guardian", "parent@example.net")
        } else {
            ("self", "")
        };
        let controller = if p.part == Part::SecondController { "second" } else { "default" };
        let _ = writeln!(
            out,
            "D-{:05},{},{},{controller},{relation},{contact},{},demo,en,{},{},{}",
            p.number,
            p.action,
            p.scope(),
            p.proof(),
            p.email,
            p.phone,
            p.user_id
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_config_is_what_the_default_seed_makes() {
        let file = include_str!("../../../../config/demo/people.csv");
        assert!(
            csv(&make(DEFAULT_PEOPLE, DEFAULT_SEED)) == file,
            "write it anew: efface demo --print-people > config/demo/people.csv"
        );
    }

    #[test]
    fn any_number_of_people_can_be_made() {
        for n in [1, 20, 60, 1_000] {
            assert_eq!(make(n, 1).len(), n);
        }
    }
}
