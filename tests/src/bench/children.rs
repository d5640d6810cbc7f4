//! Parts of the benchmark in processes of their own: this program, started again with a word.

use std::{collections::BTreeMap, process::Stdio};

use anyhow::{Context, Result, bail};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{
    bare,
    engine::{self, Outcome, Setup},
    intake, load, stub,
};

fn start(part: &str, job: &str) -> Result<Child> {
    let program = std::env::current_exe()?;
    Ok(Command::new(program)
        .arg(format!("part:{part}"))
        .arg(job)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?)
}

async fn line(child: &mut Child) -> Result<serde_json::Value> {
    let out = child.stdout.take().context("the part has no output")?;
    let line = BufReader::new(out).lines().next_line().await?;
    serde_json::from_str(&line.context("the part ended without a word")?)
        .context("the part's answer")
}

/// Runs a part to its end.
pub async fn outcome<T: Serialize>(part: &str, job: &T) -> Result<Outcome> {
    ask(part, &serde_json::to_string(job)?).await
}

async fn ask<T: DeserializeOwned>(part: &str, job: &str) -> Result<T> {
    let mut child = start(part, job)?;
    let said = line(&mut child).await;
    let status = child.wait().await?;
    let said = said.with_context(|| format!("{part}: {status}"))?;
    Ok(serde_json::from_value(said)?)
}

/// A running stub or API; ends when dropped.
pub struct Stub {
    pub base: String,
    _child: Child,
}

impl Stub {
    /// The vendor's stand-in.
    pub async fn start() -> Result<Self> {
        Self::serve("stub", "").await
    }

    /// The engine's API.
    pub async fn api(setup: &Setup) -> Result<Self> {
        Self::serve("api", &serde_json::to_string(setup)?).await
    }

    /// A worker beside others.
    pub async fn worker(setup: &Setup) -> Result<Self> {
        Self::serve("work", &serde_json::to_string(setup)?).await
    }

    /// When each account's calls came in, in nanoseconds.
    pub async fn arrivals(&self) -> Result<BTreeMap<String, Vec<u64>>> {
        let url = format!("{}/accounts", self.base);
        Ok(serde_json::from_str(&bare::client()?.get(url).send().await?.text().await?)?)
    }

    async fn serve(part: &str, job: &str) -> Result<Self> {
        let mut child = start(part, job)?;
        let said = line(&mut child).await?;
        let base = said.get("base").and_then(|b| b.as_str()).context("an address")?;
        Ok(Self { base: base.to_owned(), _child: child })
    }

    /// Calls the stub has answered.
    pub async fn calls(&self) -> Result<u64> {
        let text = bare::client()?.get(format!("{}/calls", self.base)).send().await?.text().await?;
        Ok(text.parse()?)
    }
}

/// What a started part does.
pub async fn part(name: &str, job: &str) -> Result<()> {
    let outcome = match name {
        "work" => return engine::work(&serde_json::from_str(job)?).await,
        "stub" => return stub::serve().await,
        "load" => {
            let (setup, job): (Setup, load::Job) = serde_json::from_str(job)?;
            load::run(&setup, &job).await?
        }
        "engine" => {
            let (setup, job): (Setup, engine::Job) = serde_json::from_str(job)?;
            engine::run(&setup, &job).await?
        }
        "bare" => bare::run(&serde_json::from_str(job)?).await?,
        "api" => return intake::serve(&serde_json::from_str(job)?).await,
        "clients" => intake::clients(&serde_json::from_str(job)?).await?,
        other => bail!("no part is called {other}"),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
