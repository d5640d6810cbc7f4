//! Every disguise of a canary, and the search for all of them at once.

use std::{fs, io, path::Path};

use aho_corasick::AhoCorasick;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Something that must be found nowhere.
pub struct Canary {
    pub name: String,
    pub text: String,
    /// Whether its digests must be found nowhere either: what is known by its digest is not.
    pub digests: bool,
}

/// Where one was found.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Find {
    pub canary: String,
    pub disguise: &'static str,
    pub place: String,
}

/// The disguises of many canaries, read off in one pass. Case does not matter to it.
pub struct Search {
    automaton: AhoCorasick,
    /// By pattern: which canary, and how it was disguised.
    patterns: Vec<(usize, &'static str)>,
    names: Vec<String>,
    pub bytes: u64,
    pub files: u64,
}

impl Search {
    /// # Panics
    /// When there are more canaries than an automaton holds.
    #[must_use]
    pub fn of(canaries: &[Canary]) -> Self {
        let (mut patterns, mut words) = (vec![], vec![]);
        for (n, canary) in canaries.iter().enumerate() {
            for (disguise, bytes) in disguises(canary) {
                patterns.push((n, disguise));
                words.push(bytes);
            }
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&words);
        let names = canaries.iter().map(|c| c.name.clone()).collect();
        let automaton = automaton.expect("an automaton");
        Self { automaton, patterns, names, bytes: 0, files: 0 }
    }

    #[must_use]
    pub fn patterns(&self) -> usize {
        self.patterns.len()
    }

    pub fn in_bytes(&mut self, place: &str, bytes: &[u8]) -> Vec<Find> {
        self.bytes += bytes.len() as u64;
        self.files += 1;
        let found = self.automaton.find_iter(bytes).map(|hit| {
            let (canary, disguise) = self.patterns[hit.pattern().as_usize()];
            let canary = self.names[canary].clone();
            Find { canary, disguise, place: format!("{place} at byte {}", hit.start()) }
        });
        found.collect()
    }

    /// In every file below a folder, and in the names of files.
    ///
    /// # Panics
    /// When a folder or file cannot be read; one that is gone meanwhile holds nothing.
    pub fn below(&mut self, folder: &Path) -> Vec<Find> {
        let mut found = vec![];
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
            Err(error) => panic!("{}: {error}", folder.display()),
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            let place = path.display().to_string();
            found.extend(self.in_bytes(&format!("the name of {place}"), place.as_bytes()));
            match path.symlink_metadata() {
                Ok(about) if about.is_dir() => found.extend(self.below(&path)),
                Ok(about) if about.is_file() => match fs::read(&path) {
                    Ok(bytes) => found.extend(self.in_bytes(&place, &bytes)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => panic!("{place}: {error}"),
                },
                _ => {}
            }
        }
        found
    }
}

fn disguises(canary: &Canary) -> Vec<(&'static str, Vec<u8>)> {
    let text = canary.text.as_str();
    let mut forms = vec![text.to_owned(), text.to_lowercase(), text.to_uppercase()];
    forms.dedup();
    let mut all = vec![];
    for form in &forms {
        let bytes = form.as_bytes();
        let form_encoded: String = url::form_urlencoded::byte_serialize(bytes).collect();
        let wide: Vec<u8> = form.encode_utf16().flat_map(u16::to_le_bytes).collect();
        all.extend([
            ("plain", bytes.to_vec()),
            ("URL-encoded", form_encoded.into_bytes()),
            ("percent-encoded", efface_connector::encode_path(form).into_bytes()),
            ("hex", hex::encode(bytes).into_bytes()),
            ("UTF-16", wide),
        ]);
        for shift in 0..3 {
            let (standard, safe) = within_base64(bytes, shift);
            all.push(("base64", standard));
            all.push(("URL-safe base64", safe));
        }
        if canary.digests {
            digests::<Md5>(["MD5", "MD5 in base64", "raw MD5"], bytes, &mut all);
            digests::<Sha1>(["SHA-1", "SHA-1 in base64", "raw SHA-1"], bytes, &mut all);
            digests::<Sha256>(["SHA-256", "SHA-256 in base64", "raw SHA-256"], bytes, &mut all);
        }
    }
    all.sort_by(|a, b| a.1.cmp(&b.1));
    all.dedup_by(|a, b| a.1 == b.1);
    all
}

fn digests<D: Digest>(
    [hexed, coded, raw]: [&'static str; 3],
    bytes: &[u8],
    all: &mut Vec<(&'static str, Vec<u8>)>,
) {
    let digest = D::digest(bytes).to_vec();
    all.push((hexed, hex::encode(&digest).into_bytes()));
    all.push((coded, STANDARD_NO_PAD.encode(&digest).into_bytes()));
    all.push((coded, URL_SAFE_NO_PAD.encode(&digest).into_bytes()));
    all.push((raw, digest));
}

/// What stands in any base64 text in which `bytes` begin `shift` bytes after a group of three: the
/// signs that hang on nothing else.
fn within_base64(bytes: &[u8], shift: usize) -> (Vec<u8>, Vec<u8>) {
    let padded = [&vec![0; shift][..], bytes].concat();
    let first = (shift * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    let cut = |text: String| text.as_bytes()[first..last].to_vec();
    (cut(STANDARD_NO_PAD.encode(&padded)), cut(URL_SAFE_NO_PAD.encode(&padded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disguise_is_found_wherever_it_begins() {
        let text = "Canary+1@Leak.example";
        let canary = || Canary { name: "c".into(), text: text.into(), digests: true };
        let mut search = Search::of(&[canary()]);
        let hidden = |around: usize| format!("{}{text}{}", "x".repeat(around), "y".repeat(around));
        let lower = text.to_lowercase();
        for around in 0..7 {
            for inside in [
                hidden(around),
                hidden(around).to_uppercase(),
                STANDARD_NO_PAD.encode(hidden(around)),
                URL_SAFE_NO_PAD.encode(hidden(around).to_lowercase()),
                hex::encode(hidden(around)).to_uppercase(),
                format!("{{\"email\":\"canary%2B1%40leak.example\",{around}}}"),
                format!("{}{}", "z".repeat(around), hex::encode(Md5::digest(&lower))),
                hex::encode(Sha1::digest(text)),
                STANDARD_NO_PAD.encode(Sha256::digest(&lower)),
            ] {
                assert_eq!(search.in_bytes("here", inside.as_bytes()).len(), 1, "{inside}");
            }
            let raw = [b"--", Sha256::digest(text).as_slice(), b"--"].concat();
            assert_eq!(search.in_bytes("here", &raw).len(), 1);
        }
        let somebody = b"canary+2@leak.example canary 1 leak.example";
        assert_eq!(search.in_bytes("here", somebody), []);
        let known_by_digest = Canary { digests: false, ..canary() };
        let digest = hex::encode(Sha256::digest(text));
        assert_eq!(Search::of(&[known_by_digest]).in_bytes("here", digest.as_bytes()), []);
    }
}
