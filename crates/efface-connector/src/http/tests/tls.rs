//! Vendors that cannot prove who they are, or speak nothing safe: no byte of a request reaches
//! them, the account waits for a person, and the words say what to do.

use std::{
    io::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    Secret,
    http::address::{Found, Names},
};

const NAME: &str = "api.vendor.test";

/// Every name is this machine's.
struct Here;

impl Names for Here {
    fn look_up(&self, _name: &str) -> Found {
        Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
    }
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a root") }
    }

    fn root(&self) -> reqwest::Certificate {
        reqwest::Certificate::from_der(self.issuer.der()).expect("a root")
    }

    /// A certificate for `name`, valid in these years.
    fn issue(&self, name: &str, years: (i32, i32)) -> Shown {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Shown { certificate: certificate.der().clone(), key: key.serialize_der() }
    }
}

/// What a vendor shows, and its key.
struct Shown {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

fn of_its_own(name: &str) -> Shown {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    Shown { certificate: certificate.der().clone(), key: key.serialize_der() }
}

/// A vendor that answers whoever accepts its certificate; its port, and how many requests came.
async fn vendor(shown: Shown) -> (u16, Arc<AtomicUsize>) {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(shown.key));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![shown.certificate], key)
        .expect("a key that fits");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let came = Arc::<AtomicUsize>::default();
    let count = came.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), count.clone());
            tokio::spawn(async move {
                // the client hangs up on a certificate it does not accept
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (port, came)
}

/// A vendor of raw bytes: what it says to a client's hello.
fn raw(hello: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = stream.write_all(hello);
            // until the other side has read it
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
        }
    });
    port
}

async fn call(http: &Http, place: &str) -> Result<Reply, ConnectorError> {
    let request = Request::new(Method::POST, &format!("https://{place}"), "/people/{email}")
        .path("email", "canary@person.test")
        .bearer(&Secret::new("CanaryKey-7d1f9aB3"));
    let (_, replied) = http.send(&request, String::new(), Timestamp::from_millis(0)).await;
    replied
}

/// Trusts `root` alone, and finds `NAME` on this machine.
fn client(root: &Authority, port: u16) -> Http {
    let hosts = [format!("{NAME}:{port}")];
    let config = config(&[&hosts[0]], true);
    Http::over(config, Arc::new(Here), |b| b.tls_certs_only([root.root()])).expect("client")
}

#[track_caller]
fn expect_settings(name: &str, replied: Result<Reply, ConnectorError>, words: &[&str]) {
    let error = replied.expect_err(name);
    let settings =
        matches!(&error, ConnectorError::NeedsPerson(crate::NeedsPerson::SettingsWrong { .. }));
    let told = error.to_string();
    assert!(settings, "{name}: {error:?}");
    assert!(words.iter().all(|word| told.contains(word)), "{name}: {told}");
    assert!(!told.to_lowercase().contains("canary"), "{name}: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_cannot_prove_who_it_is_is_told_nothing() {
    let here = Http::new(config(&[], true)).expect("client");
    let (ours, strange) = (Authority::new("ours"), Authority::new("strange"));
    let good = (2000, 4000);
    let renew = "ask the vendor to renew it";
    let root = "certificate store";
    let region = "check base_url and region";
    for (name, shown, words) in [
        ("expired", ours.issue(NAME, (2000, 2020)), [renew, "has expired"]),
        ("of tomorrow", ours.issue(NAME, (3000, 4000)), [renew, "not valid yet"]),
        ("of another name", ours.issue("api.other.test", good), [region, "another name"]),
        ("of a name below", ours.issue("eu.api.vendor.test", good), [region, "another name"]),
        ("of a stranger", strange.issue(NAME, good), [root, "issuer is not known"]),
        ("of its own", of_its_own(NAME), [root, "issuer is not known"]),
    ] {
        let (port, came) = vendor(shown).await;
        expect_settings(name, call(&client(&ours, port), &format!("{NAME}:{port}")).await, &words);
        assert_eq!(came.load(Ordering::SeqCst), 0, "{name}: it was told something");
    }

    // and who can prove it is called
    let (port, came) = vendor(ours.issue(NAME, good)).await;
    let replied = call(&client(&ours, port), &format!("{NAME}:{port}")).await;
    assert_eq!(replied.map(|r| r.status), Ok(200));
    assert_eq!(came.load(Ordering::SeqCst), 1);

    // as it is in production, with the roots of this machine
    let (port, came) = vendor(of_its_own("localhost")).await;
    expect_settings("in production", call(&here, &format!("localhost:{port}")).await, &[root]);
    let (port, and_by_address) = vendor(of_its_own("127.0.0.1")).await;
    expect_settings("by address", call(&here, &format!("127.0.0.1:{port}")).await, &[root]);
    assert_eq!(came.load(Ordering::SeqCst) + and_by_address.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_tls_1_2_is_not_spoken() {
    // hello in TLS 1.0 and 1.1: version, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA
    const OLD: [[u8; 47]; 2] = [hello(1), hello(2)];
    // the alerts of a server that knows nothing newer
    const PROTOCOL_VERSION: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];
    let client = Http::new(config(&[], true)).expect("client");
    let words = ["TLS 1.2 or newer", "check base_url"];
    for (name, bytes) in [
        ("a hello in 1.0", &OLD[0][..]),
        ("a hello in 1.1", &OLD[1][..]),
        ("an alert", &PROTOCOL_VERSION[..]),
    ] {
        let bytes: &'static [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
        let port = raw(bytes);
        expect_settings(name, call(&client, &format!("127.0.0.1:{port}")).await, &words);
    }

    // what may pass by itself is tried again
    for hello in [&b"HTTP/1.1 503 Busy\r\n\r\n"[..], b"", &[21, 3, 3, 0, 2, 2, 80]] {
        let port = raw(hello);
        let error = call(&client, &format!("127.0.0.1:{port}")).await.expect_err("no TLS");
        assert!(matches!(error, ConnectorError::Retryable { .. }), "{hello:?}: {error:?}");
    }
}

const fn hello(minor: u8) -> [u8; 47] {
    let mut bytes = [7; 47];
    let head = [22, 3, 1, 0, 42, 2, 0, 0, 38, 3, minor];
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    // after 32 bytes of chance
    bytes[43] = 0;
    bytes[44] = 0;
    bytes[45] = 47;
    bytes[46] = 0;
    bytes
}
