//! Canaries: no identifier, in no disguise, and no secret in anything that was told.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use efface_connector::fake::KEY;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::{Broken, Kept, rig::Rig};

pub(super) fn run(rig: &mut Rig) {
    let kept = silent(rig);
    let sentence = "no identifier, in no disguise, and no key in an error, receipt or exchange";
    rig.note("privacy", sentence, kept);
}

fn silent(rig: &Rig) -> Kept {
    let mut canaries = disguises("the key", KEY);
    for n in [1, 2, 3, 7] {
        let person = rig.person(n)?;
        for identifier in &person.identifiers {
            let kind = identifier.kind.word();
            canaries.extend(disguises(&kind, identifier.typed.expose()));
            canaries.extend(disguises(&kind, identifier.normal.expose()));
        }
    }
    if rig.told.len() < 10 {
        return Err(Broken::By("too little was told to judge by".into()));
    }
    for text in &rig.told {
        if let Some((what, _)) = canaries.iter().find(|(_, canary)| text.contains(canary)) {
            return Err(Broken::By(format!("{what} stands in: {text}")));
        }
    }
    Ok(())
}

/// A value in every form in which it might come through.
fn disguises(kind: &str, value: &str) -> Vec<(String, String)> {
    let lower = value.to_lowercase();
    let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let forms: Vec<(&str, String)> = vec![
        ("plain", value.to_owned()),
        ("lower-case", lower.clone()),
        ("URL-encoded", form(value)),
        ("URL-encoded, lower-case", form(&lower)),
        ("encoded as a path", encode(value)),
        ("base64", STANDARD_NO_PAD.encode(value)),
        ("URL-safe base64", URL_SAFE_NO_PAD.encode(value)),
        ("MD5", hex::encode(Md5::digest(value))),
        ("MD5, lower-case", hex::encode(Md5::digest(&lower))),
        ("SHA-256", hex::encode(Sha256::digest(value))),
        ("SHA-256, lower-case", hex::encode(Sha256::digest(&lower))),
    ];
    forms.into_iter().map(|(form, text)| (format!("{kind} ({form})"), text)).collect()
}

fn encode(text: &str) -> String {
    efface_connector::encode_path(text)
}
