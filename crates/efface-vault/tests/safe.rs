//! What the safe keeps, what it refuses, and that it tells nobody.

mod common;

use efface_vault::{
    Context, Error, MasterKey, MasterKeyFault, Month, RequestKey, Vault, WrappedKey, WrappedRoots,
    check_opening, commit, opening,
};

use common::{REQUEST, chance};

const FIELD: Context<'static> = Context { request_id: REQUEST, field: "identifier/0" };
const ADA: &[u8] = b"ada@example.org";

fn november() -> Month {
    Month::parse("2026-11").expect("a month")
}

struct House {
    master: MasterKey,
    vault: Vault,
    roots: WrappedRoots,
    key: RequestKey,
    wrapped: WrappedKey,
}

fn house(seed: u64) -> House {
    let fill = &mut chance(seed);
    let master = MasterKey::generate(fill);
    let (vault, roots) = Vault::create(&master, fill);
    let (key, wrapped) = vault.new_request_key(&REQUEST, &november(), fill).expect("a key");
    House { master, vault, roots, key, wrapped }
}

/// A master key whose bytes are 0, 1, 2 … 31, for vectors.
fn counting_master() -> MasterKey {
    let mut next = 0u8;
    MasterKey::generate(&mut |out: &mut [u8]| {
        for byte in out {
            *byte = next;
            next += 1;
        }
    })
}

#[test]
fn what_is_sealed_opens_again_in_another_process() {
    let h = house(1);
    for plaintext in [&b""[..], ADA, &[0; 5000]] {
        let sealed = h.key.seal(&FIELD, plaintext, &mut chance(2));
        assert_eq!(sealed.len(), 2 + 24 + plaintext.len() + 16);
        let stored = serde_json::to_string(&h.roots).unwrap();
        let roots: WrappedRoots = serde_json::from_str(&stored).unwrap();
        let vault = Vault::open(&h.master, &roots).unwrap();
        let key = vault.unwrap(&REQUEST, &h.wrapped).unwrap();
        assert_eq!(&*key.open(&FIELD, &sealed).unwrap(), plaintext);
        assert_eq!(vault.tag("email", "a@b.c"), h.vault.tag("email", "a@b.c"));
        assert_eq!(vault.digest(ADA), h.vault.digest(ADA));
        let answer = h.vault.seal_general("idempotency/1", plaintext, &mut chance(3));
        assert_eq!(&*vault.open_general("idempotency/1", &answer).unwrap(), plaintext);
    }
}

#[test]
fn long_field_names_are_bound_like_short_ones() {
    let h = house(1);
    for length in [0, 150, 151, 152, 153, 154, 155, 156, 1000] {
        let field = "f".repeat(length);
        let here = Context { request_id: REQUEST, field: &field };
        let other = format!("{field}x");
        let there = Context { request_id: REQUEST, field: &other };
        let sealed = h.key.seal(&here, ADA, &mut chance(2));
        assert_eq!(&*h.key.open(&here, &sealed).unwrap(), ADA);
        assert!(h.key.open(&there, &sealed).is_err(), "{length}");
    }
}

#[test]
fn a_value_does_not_open_in_another_place_or_under_another_key() {
    let h = house(1);
    let sealed = h.key.seal(&FIELD, ADA, &mut chance(2));
    let (other_key, _) =
        h.vault.new_request_key(&REQUEST, &november(), &mut chance(3)).expect("a key");
    let other_request = Context { request_id: [8; 16], ..FIELD };
    let other_field = Context { field: "identifier/1", ..FIELD };
    let refused = |answer: Result<_, Error>, context: &str| {
        let answer: Result<efface_vault::Opened, Error> = answer;
        let wanted = Error::NotOpened { context: context.to_owned() };
        assert_eq!(answer.unwrap_err(), wanted);
    };
    refused(other_key.open(&FIELD, &sealed), "identifier/0");
    refused(h.key.open(&other_request, &sealed), "identifier/0");
    refused(h.key.open(&other_field, &sealed), "identifier/1");
    refused(h.vault.open_general("identifier/0", &sealed), "identifier/0");
    let general = h.vault.seal_general("idempotency/1", ADA, &mut chance(4));
    refused(h.vault.open_general("idempotency/2", &general), "idempotency/2");
}

#[test]
fn one_flipped_bit_anywhere_is_noticed() {
    let h = house(1);
    let sealed = h.key.seal(&FIELD, ADA, &mut chance(2));
    let general = h.vault.seal_general("receipt", ADA, &mut chance(2));
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(h.key.open(&FIELD, &changed).is_err(), "sealed, bit {bit}");
        let mut changed = general.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(h.vault.open_general("receipt", &changed).is_err(), "general, bit {bit}");
    }
    for bit in 0..h.wrapped.bytes.len() * 8 {
        let mut changed = h.wrapped.clone();
        changed.bytes[bit / 8] ^= 1 << (bit % 8);
        let answer = h.vault.unwrap(&REQUEST, &changed);
        assert_eq!(answer.unwrap_err(), Error::RequestKeyDamaged, "wrapped, bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(h.key.open(&FIELD, &sealed[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn sealing_twice_gives_two_values_and_new_keys_differ() {
    let h = house(1);
    let fill = &mut chance(2);
    assert_ne!(h.key.seal(&FIELD, ADA, fill), h.key.seal(&FIELD, ADA, fill));
    let (_, first) = h.vault.new_request_key(&REQUEST, &november(), fill).expect("a key");
    let (_, second) = h.vault.new_request_key(&REQUEST, &november(), fill).expect("a key");
    assert_ne!(first, second);
}

#[test]
fn formats_of_a_later_version_are_named_as_such() {
    let h = house(1);
    let mut sealed = h.key.seal(&FIELD, ADA, &mut chance(2));
    sealed[1] = 9;
    let answer = h.key.open(&FIELD, &sealed).unwrap_err();
    assert_eq!(answer, Error::UnknownAlgorithm { found: 9, known: 1 });
    sealed[0] = 2;
    let answer = h.key.open(&FIELD, &sealed).unwrap_err();
    let wanted = Error::UnknownFormat { what: "sealed value", found: 2, known: 1 };
    assert_eq!(answer, wanted);
    let roots = WrappedRoots { format: 2, ..h.roots };
    let answer = Vault::open(&h.master, &roots).unwrap_err();
    let wanted = Error::UnknownFormat { what: "stored vault", found: 2, known: 1 };
    assert_eq!(answer, wanted);
}

#[test]
fn a_healthy_master_of_another_database_is_told_apart_from_damage() {
    let (h, other) = (house(1), house(2));
    let answer = Vault::open(&other.master, &h.roots).unwrap_err();
    let wanted = Error::WrongMaster { stored: h.master.id(), given: other.master.id() };
    assert_eq!(answer, wanted);

    let damage = |root: &'static str, change: &dyn Fn(&mut WrappedRoots)| {
        let mut roots = h.roots.clone();
        change(&mut roots);
        let answer = Vault::open(&h.master, &roots).unwrap_err();
        assert_eq!(answer, Error::RootDamaged { root });
    };
    damage("index", &|r| r.index_key = r.index_key.replace(['0', '1', '2', '3'], "4"));
    damage("digest", &|r| r.digest_key.truncate(30));
    damage("general", &|r| r.general_key = "not hexadecimal".into());
    damage("general", &|r| r.general_key = r.digest_key.clone());
    // names this master, but was wrapped by the other
    damage("index", &|r| *r = WrappedRoots { wrapped_by: h.master.id(), ..other.roots.clone() });
}

#[test]
fn a_request_key_opens_for_its_request_and_wrapping_key_only() {
    let (h, other) = (house(1), house(2));
    let answer = h.vault.unwrap(&[8; 16], &h.wrapped).unwrap_err();
    assert_eq!(answer, Error::RequestKeyDamaged);
    let answer = other.vault.unwrap(&REQUEST, &h.wrapped).unwrap_err();
    let wanted = Error::OtherWrappingKey {
        stored: format!("master:{}", h.master.id()),
        given: format!("master:{}", other.master.id()),
    };
    assert_eq!(answer, wanted);
    // renaming the wrapping key does not help
    let renamed = WrappedKey { wrapped_by: format!("master:{}", other.master.id()), ..h.wrapped };
    let answer = other.vault.unwrap(&REQUEST, &renamed).unwrap_err();
    assert_eq!(answer, Error::RequestKeyDamaged);
}

#[test]
fn a_request_key_can_be_carried_over_to_a_new_master() {
    let (h, other) = (house(1), house(2));
    let sealed = h.key.seal(&FIELD, ADA, &mut chance(3));
    let carried = other.vault.wrap(&REQUEST, &h.key, &november(), &mut chance(4)).expect("wrapped");
    let key = other.vault.unwrap(&REQUEST, &carried).unwrap();
    assert_eq!(key.open(&FIELD, &sealed).unwrap().text(), Ok("ada@example.org"));
}

#[test]
fn text_is_asked_for_and_refused_when_it_is_none() {
    let h = house(1);
    let sealed = h.key.seal(&FIELD, &[0xff, 0xfe], &mut chance(2));
    assert_eq!(h.key.open(&FIELD, &sealed).unwrap().text(), Err(Error::NotText));
}

#[test]
fn tags_depend_on_kind_value_and_database() {
    let (h, other) = (house(1), house(2));
    let tag = h.vault.tag("email", "ada@example.org");
    assert_eq!(tag, h.vault.tag("email", "ada@example.org"));
    assert_ne!(tag, h.vault.tag("phone", "ada@example.org"));
    assert_ne!(tag, h.vault.tag("email", "Ada@example.org"));
    assert_ne!(tag, other.vault.tag("email", "ada@example.org"));
    assert_ne!(h.vault.digest(ADA), other.vault.digest(ADA));
    assert_ne!(h.vault.digest(ADA), tag);
}

#[test]
fn many_kinds_neither_fail_nor_change_their_tags() {
    let h = house(1);
    let tags = || (0..600).map(|n| h.vault.tag(&format!("kind-{n}"), "x")).collect::<Vec<_>>();
    assert_eq!(tags(), tags());
}

// The values were computed by a second implementation, in another language.
#[test]
fn stored_values_of_the_first_release_keep_their_meaning() {
    let master = counting_master();
    assert_eq!(
        &*master.to_text(),
        "efface-master-1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f:630dcd29"
    );
    assert_eq!(master.id(), "7732746fa7474ab0");
    let fill = &mut chance(42);
    let (vault, _) = Vault::create(&master, fill);
    let (key, wrapped) = vault.new_request_key(&REQUEST, &november(), fill).expect("a key");
    let short = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let check = |name: &str, bytes: &[u8], wanted: &str| assert_eq!(short(bytes), wanted, "{name}");
    check(
        "tag",
        &vault.tag("email", "ada@example.org"),
        "bf1dfe6764b6aa242d018f7bdcf60fa5c557f04b57bc3fb987f2cd48762711a4",
    );
    check(
        "digest",
        &vault.digest(b"{}"),
        "9ccb312f2943e797b9f13b36944fba8c232b07a1cf6253153d8c173be83f9832",
    );
    check(
        "wrapped",
        &wrapped.bytes,
        "0101d302fe317f38884f14c9a9036a7ddd1f52b1f1a382312d50b861a708d8ecda54696e926b6e16c09d1ddf4684702f1f1f12a34cf379db56d3bb1f435a1b97456a70782b23db1dfe50",
    );
    check(
        "sealed",
        &key.seal(&FIELD, ADA, fill),
        "010187abc89eb62b7a0c84071258e09b227c1562b52d5e8843a457f8649d815577f1f523e8e0b9c077a41ac9447d999a20dedbf35df8f7ba80",
    );
    check(
        "general",
        &vault.seal_general("receipt", ADA, fill),
        "010195447253a00ee4ae6786e8047829b81c1bc65ad9fe7957b944ec6c1e059a65529ed828a6024f159a795444d0aab448f3713888424c9755",
    );
    check(
        "opening",
        &opening(&[9; 32], 3),
        "ac0793a2d4dde2f03420017933373214c8d0ae2dc34be1559229dd0c1c5a27c7",
    );
    check(
        "commitment",
        &commit(&[9; 32], 3, "email", "ada@example.org"),
        "99e62d6c6e498802c10da08700eef1e58ea1071fd7ef93dc7f409b444d9219cb",
    );
}

#[test]
fn a_commitment_opens_for_its_own_identifier_only() {
    let nonce = [9; 32];
    let made = commit(&nonce, 3, "email", "ada@example.org");
    let check = |opening: &[u8; 32], kind: &str, value: &str, wanted: bool| {
        assert_eq!(check_opening(&made, opening, kind, value), wanted, "{kind} {value}");
    };
    let right = opening(&nonce, 3);
    // an auditor's own program comes to the same: HMAC-SHA256 by RFC 2104, then SHA-256
    assert_eq!(
        hex::encode(right),
        "ac0793a2d4dde2f03420017933373214c8d0ae2dc34be1559229dd0c1c5a27c7"
    );
    assert_eq!(
        hex::encode(made),
        "99e62d6c6e498802c10da08700eef1e58ea1071fd7ef93dc7f409b444d9219cb"
    );
    check(&right, "email", "ada@example.org", true);
    check(&right, "email", "eve@example.org", false);
    check(&right, "phone", "ada@example.org", false);
    check(&right, "emaila", "da@example.org", false);
    check(&opening(&nonce, 4), "email", "ada@example.org", false);
    check(&opening(&[8; 32], 3), "email", "ada@example.org", false);
}

#[test]
fn a_master_key_survives_its_own_text() {
    let master = house(1).master;
    let text = master.to_text();
    for written in [
        text.to_string(),
        format!(
            "
  {}

",
            &*text
        ),
    ] {
        assert_eq!(MasterKey::parse(&written).unwrap().id(), master.id());
    }
    let upper = text.to_uppercase().replace("EFFACE-MASTER-1", "efface-master-1");
    assert_eq!(MasterKey::parse(&upper).unwrap().id(), master.id());
}

#[test]
fn each_way_to_spoil_a_key_file_has_its_own_refusal() {
    let text = house(1).master.to_text();
    let spoilt = |change: &dyn Fn(&str) -> String| {
        let changed = change(&text);
        match MasterKey::parse(&changed).unwrap_err() {
            Error::MasterKeyText(fault) => {
                let said = format!("{fault} {fault:?}");
                assert!(!said.contains(&text[20..30]), "{said}");
                fault
            }
            other => panic!("{other}"),
        }
    };
    use MasterKeyFault as Fault;
    assert_eq!(spoilt(&|_| " \n".into()), Fault::Empty);
    assert_eq!(spoilt(&|t| format!("{t}\n{t}")), Fault::SeveralLines { lines: 2 });
    assert_eq!(spoilt(&|_| "-----BEGIN PRIVATE KEY-----".into()), Fault::OtherFile);
    assert_eq!(spoilt(&|t| t[10..].into()), Fault::OtherFile);
    assert_eq!(spoilt(&|t| t.replace("master-1", "master-2")), Fault::NewerFormat);
    assert_eq!(spoilt(&|t| t[..40].into()), Fault::CutOff { found: 24, needed: 64 });
    let short_sum = Fault::WrongLength { part: "checksum", found: 5, needed: 8 };
    assert_eq!(spoilt(&|t| t[..t.len() - 3].into()), short_sum);
    let long_key = Fault::WrongLength { part: "key", found: 65, needed: 64 };
    assert_eq!(spoilt(&|t| t.replacen("-1:", "-1:0", 1)), long_key);
    let not_hex = Fault::NotHex { part: "key", position: 2 };
    assert_eq!(spoilt(&|t| format!("{}g{}", &t[..17], &t[18..])), not_hex);
    let flip = |t: &str| {
        let other = if &t[30..31] == "0" { "1" } else { "0" };
        format!("{}{other}{}", &t[..30], &t[31..])
    };
    assert_eq!(spoilt(&flip), Fault::ChecksumMismatch);
}

#[test]
fn neither_debug_nor_errors_print_a_key_or_a_plaintext() {
    let h = house(1);
    let sealed = h.key.seal(&FIELD, ADA, &mut chance(2));
    let opened = h.key.open(&FIELD, &sealed).unwrap();
    let wrong = Context { field: "x", ..FIELD };
    let said = [
        format!("{:?} {:?} {:?} {:?}", h.master, h.vault, h.key, h.wrapped),
        format!("{opened:?} {:#?}", h.roots.wrapped_by),
        format!("{}", h.key.open(&wrong, &sealed).unwrap_err()),
        format!("{:?}", house(2).vault.unwrap(&REQUEST, &h.wrapped).unwrap_err()),
        format!("{:?}", MasterKey::parse(&h.master.to_text()[..50]).unwrap_err()),
    ]
    .join("\n");
    let text = h.master.to_text();
    let key = &text["efface-master-1:".len()..][..64];
    for at in (0..64).step_by(8) {
        assert!(!said.contains(&key[at..at + 8]), "{said}");
        let byte = u8::from_str_radix(&key[at..at + 2], 16).unwrap();
        let next = u8::from_str_radix(&key[at + 2..at + 4], 16).unwrap();
        assert!(!said.contains(&format!("{byte}, {next}")), "{said}");
    }
    assert!(!said.contains("ada@"), "{said}");
    assert!(said.contains("Opened(15 bytes)"), "{said}");
}

#[test]
fn the_vault_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Vault>();
    shared::<RequestKey>();
    shared::<MasterKey>();
    shared::<Error>();
}
