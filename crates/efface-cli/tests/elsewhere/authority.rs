//! A time-stamping authority for one test: `openssl ts` under a root of its own.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

const SETTINGS: &str = "\
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:true
[stamper]
extendedKeyUsage = critical,timeStamping
[server]
subjectAltName = DNS:localhost
extendedKeyUsage = serverAuth
[tsa]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
[strict]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha512
";

pub struct Authority {
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self { folder: TempDir::new().expect("a folder") };
        fs::write(authority.path("cnf"), SETTINGS).expect("written");
        fs::write(authority.path("serial"), "01").expect("written");
        authority.openssl("req -config cnf -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 2 -extensions root -subj /CN=root");
        authority.openssl("req -config cnf -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.csr -subj /CN=stamper");
        authority.openssl("x509 -req -in tsa.csr -CA root.pem -CAkey root.key -CAcreateserial -out tsa.pem -days 2 -extfile cnf -extensions stamper");
        authority
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `openssl` in the folder; whether it ended well.
    pub fn runs(&self, args: &str) -> Result<String, String> {
        let output = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| {
                panic!("these tests need the program `openssl` (3 or newer) on the path: {error}")
            });
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    pub fn openssl(&self, args: &str) -> String {
        self.runs(args).unwrap_or_else(|said| panic!("openssl {args}: {said}"))
    }

    /// The answer to a question, by the rules of a section of the settings.
    pub fn answer(&self, question: &[u8], section: &str) -> Vec<u8> {
        fs::write(self.path("question"), question).expect("written");
        let _ = fs::remove_file(self.path("answer"));
        self.openssl(&format!(
            "ts -reply -config cnf -section {section} -queryfile question -out answer"
        ));
        fs::read(self.path("answer")).expect("an answer")
    }
}
