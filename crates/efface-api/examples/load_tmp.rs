//! temporary
use std::{sync::{Arc, atomic::{AtomicU64, Ordering}}, time::{Duration, Instant}};
use efface_core::{*, outside::{Chance, Clock}, manifest::*, brakes::GuardList};
use efface_store::*;
use efface_vault::{MasterKey, Vault};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
struct C; impl Clock for C { fn now(&self) -> Timestamp { Timestamp::from_millis(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64) } }
struct R(AtomicU64); impl Chance for R { fn fill(&self, b: &mut [u8]) { for ch in b.chunks_mut(8) { let mut x = self.0.fetch_add(0x9E3779B97F4A7C15, Ordering::Relaxed); x ^= x>>30; x = x.wrapping_mul(0xbf58476d1ce4e5b9); x ^= x>>27; x = x.wrapping_mul(0x94d049bb133111eb); x ^= x >> 31; ch.copy_from_slice(&x.to_le_bytes()[..ch.len()]); } } }
fn manifest() -> Manifest {
    let card = |action, stops| ActionCard { action, steps: vec![Step { id: StepId::named("s"), class: EffectClass::NaturallyIdempotent, batch_items: 10, batch_bytes: 10_000 }], keyed_by: vec![IdentifierKind::Email], stops, side_effects: vec![], reversibility: Reversibility::Irreversible, latency: Latency::AT_ONCE, highest: EvidenceLevel::Verified, verified_by_look_up: true };
    Manifest { id: "paper", title: "P", category: "p", actions: vec![card(TaskAction::Erase, None), card(TaskAction::Suppress, Some(SuppressEffect::MarketingMail))], suppress_order: SuppressOrder::Before, look_up: None, finds: false, recalls: false, receives: false, does_nothing_at: &[], pace: Pace { calls_per_second: 10.0, calls_in_flight: 1 }, quota: None, hosts: &["x"], body_cap_bytes: 1, keeps: &[], scopes: &[], documentation: "", read_on: "" }
}
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let keyed = std::env::args().nth(1).as_deref() == Some("key");
    let conns: usize = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(64);
    let dir = tempfile::tempdir_in("/work").or_else(|_| tempfile::tempdir()).unwrap();
    let c = Connection::connect(&format!("sqlite://{}/e.db", dir.path().display()), 4, true).await.unwrap(); c.migrate().await.unwrap();
    let r = Arc::new(R(AtomicU64::new(7)));
    let fill: &mut dyn FnMut(&mut [u8]) = &mut |b| r.fill(b);
    let m = MasterKey::generate(fill); let (v, _) = Vault::create(&m, fill);
    let ctl = ControllerId::new("default").unwrap(); let man = Arc::new(manifest());
    let d = Directory { controllers: [(ctl.clone(), ControllerRules { zone: jiff::tz::TimeZone::UTC, default_phone_region: None, guard: GuardList::default() })].into(), accounts: (0..6).map(|n| AccountSpec { id: AccountId::new(&format!("a{n}")).unwrap(), connector: ConnectorId::new("paper").unwrap(), controller: ctl.clone(), lane: LaneId::new(&format!("a{n}")).unwrap(), manifest: man.clone(), keyed_by: vec![], people_per_day: 100, time_scale: 1.0 }).collect(), policy: Policy::default() };
    let s = Arc::new(SqlStore::open(c, Arc::new(v), d, Arc::new(C), r.clone()).await.unwrap());
    for n in 0..6 { s.enable_account(&AccountId::new(&format!("a{n}")).unwrap(), None, "t").await.unwrap(); }
    let key = format!("efface_k_{}", "a".repeat(43));
    s.create_api_key("k", "t", &Sha256::digest(key.as_bytes()).into(), "t").await.unwrap();
    let l = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(); let addr = l.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let st = efface_api::ApiState::new(s.clone(), efface_api::ApiOptions::default());
    let server = tokio::spawn(efface_api::serve(l, st, async move { let _ = stopped.await; }));
    let n = Arc::new(AtomicU64::new(0)); let done = Arc::new(AtomicU64::new(0));
    let t = Instant::now(); let end = t + Duration::from_secs(8);
    let mut hs = vec![];
    for _ in 0..conns {
        let (n, done, key) = (n.clone(), done.clone(), key.clone());
        hs.push(tokio::spawn(async move {
            let mut lat = vec![];
            let mut k = tokio::net::TcpStream::connect(addr).await.unwrap(); k.set_nodelay(true).unwrap();
            let mut buf = vec![0; 4096];
            while Instant::now() < end {
                let i = n.fetch_add(1, Ordering::Relaxed);
                let body = format!(r#"{{"action":"erase","identifiers":[{{"kind":"email","value":"person{i}@example.org"}},{{"kind":"user_id","value":"u-{i}"}}],"proof":{{"how":"account login"}},"release":true}}"#);
                let idem = if keyed { format!("idempotency-key: k-{i}\r\n") } else { String::new() };
                let req = format!("POST /v1/requests HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{idem}content-length: {}\r\n\r\n{body}", body.len());
                let t0 = Instant::now();
                k.write_all(req.as_bytes()).await.unwrap();
                let got = k.read(&mut buf).await.unwrap();
                let text = std::str::from_utf8(&buf[..got]).unwrap();
                assert!(text.starts_with("HTTP/1.1 201"), "{text}");
                lat.push(t0.elapsed()); done.fetch_add(1, Ordering::Relaxed);
            }
            lat
        }));
    }
    let mut all = vec![]; for h in hs { all.extend(h.await.unwrap()); }
    let secs = t.elapsed().as_secs_f64(); all.sort();
    println!("{} filed, {:.0}/s, p50 {:?} p99 {:?}", all.len(), all.len() as f64 / secs, all[all.len()/2], all[all.len()*99/100]);
    let _ = stop.send(()); println!("stop {:?}", server.await.unwrap());
}
