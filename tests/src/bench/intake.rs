//! Requests over HTTP: the real API in one process, its clients in another.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use efface_api::{ApiOptions, ApiState};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    bare, engine,
    engine::{Outcome, Setup},
    watch,
};

/// What the clients send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clients {
    pub base: String,
    pub clients: u32,
    pub requests: u64,
}

/// The one key of the benchmark's own database.
fn key() -> String {
    format!("efface_bench_{}", "a".repeat(43))
}

/// Prints the address, then serves until the parent ends it.
pub async fn serve(setup: &Setup) -> Result<()> {
    let (store, _) = engine::open(setup, true).await?;
    let hash: [u8; 32] = Sha256::digest(key().as_bytes()).into();
    store.create_api_key("bench", "bench", &hash, "bench").await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", serde_json::json!({ "base": format!("http://{}", listener.local_addr()?) }));
    let state = ApiState::new(store, ApiOptions::default());
    efface_api::serve(listener, state, pending()).await?;
    Ok(())
}

/// Files from many connections at once, each sending its next request when the last was answered.
pub async fn clients(job: &Clients) -> Result<Outcome> {
    let next = Arc::new(AtomicU64::new(0));
    let (client, key) = (bare::client()?, key());
    let used = watch::processor_time();
    let began = watch::instant();
    let mut hands = vec![];
    for _ in 0..job.clients {
        let (client, key, next, job) = (client.clone(), key.clone(), next.clone(), job.clone());
        hands.push(tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= job.requests {
                    return anyhow::Ok(());
                }
                let body = serde_json::json!({
                    "controller": "controller-0",
                    "action": "erase",
                    "identifiers": [
                        { "kind": "email", "value": format!("person.{n}@people.example") },
                        { "kind": "user_id", "value": format!("user-{n:012}") },
                    ],
                    "proof": { "how": "account login" },
                });
                let request = client
                    .post(format!("{}/v1/requests", job.base))
                    .bearer_auth(&key)
                    .header("idempotency-key", format!("bench-{n}"))
                    .header("content-type", "application/json")
                    .body(body.to_string());
                let reply = request.send().await?;
                let status = reply.status();
                let text = reply.text().await?;
                anyhow::ensure!(status.as_u16() == 201, "{status}: {text}");
            }
        }));
    }
    for hand in hands {
        hand.await?.context("a client")?;
    }
    Ok(Outcome {
        seconds: began.elapsed().as_secs_f64(),
        settled: job.requests,
        processor_seconds: (watch::processor_time() - used).as_secs_f64(),
        peak_memory_mb: watch::peak_memory_mb(),
        closed_seconds: 0.0,
        samples: vec![],
    })
}
