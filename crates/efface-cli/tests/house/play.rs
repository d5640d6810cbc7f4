//! A house with a vendor's stand-in beside it, and the service running in it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, Stdio},
};

use efface_connector::fake::{FakeServer, Tuning};
use tokio::runtime::Runtime;

use crate::house::House;

pub const VENDOR: &str = "mailchimp";
pub const KEY: &str = "stand-in-key";

pub struct Play {
    pub house: House,
    pub server: FakeServer,
    _runtime: Runtime,
}

impl Play {
    pub fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let plugin = efface_registry::find(VENDOR).expect("the vendor");
        let tuning = Tuning { key: KEY.into(), ..Tuning::default() };
        let server =
            runtime.block_on(FakeServer::start((plugin.fake)(), tuning, None)).expect("a server");
        Self { house: House::new(), server, _runtime: runtime }
    }

    pub fn account(&self, key: &str, more: &str) {
        let settings = toml::to_string(&self.server.fake().settings(key)).expect("settings");
        self.house.append(&format!(
            "[accounts.news]\nconnector = \"{VENDOR}\"\nbase_url = \"{}\"\nallow_loopback = true\n{more}\n[accounts.news.settings]\n{settings}",
            self.server.base_url()
        ));
    }
}

/// Starts `efface serve` and returns it with its address and the rest of its log.
pub fn serve(house: &House) -> (Child, String, BufReader<ChildStderr>) {
    let mut child = house
        .command(&["serve"])
        .env("EFFACE__SERVER__LISTEN", "127.0.0.1:0")
        .env("EFFACE__LOG__FORMAT", "json")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("serve starts");
    let mut log = BufReader::new(child.stderr.take().expect("a log"));
    let (mut line, mut before) = (String::new(), String::new());
    while !line.contains("listening") {
        before.push_str(&line);
        line.clear();
        let read = log.read_line(&mut line).expect("a line");
        assert!(read > 0, "serve ended: {:?}: {before}", child.wait());
    }
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    (child, line["address"].as_str().expect("an address").to_owned(), log)
}
