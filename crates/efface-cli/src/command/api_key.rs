//! `efface api-key`: keys for the API. A key is shown once; the database holds its SHA-256.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args as ClapArgs, Subcommand};
use efface_store::ApiKeyRow;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    exit::{Exit, Failure},
    print::{self, Table, maybe_when, say, when},
    wiring::{Context, shortened},
};

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key; it is shown once
    Create(CreateArgs),
    /// List keys
    List(ListArgs),
    /// Revoke a key, at once
    Revoke(RevokeArgs),
}

/// `efface api-key create`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  efface api-key create --name shop-backend\n  curl -H \"Authorization: Bearer $KEY\" http://127.0.0.1:8080/v1/requests"
)]
pub struct CreateArgs {
    /// What the key is for
    #[arg(long)]
    name: String,
}

/// `efface api-key list`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  efface api-key list")]
pub struct ListArgs {}

/// `efface api-key revoke`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  efface api-key revoke 3f9c01ab")]
pub struct RevokeArgs {
    /// The key's id, as `api-key list` shows it
    id: String,
}

/// # Errors
/// When the database cannot be written or there is no such key.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Create(args) => create(context, &args).await,
        Command::List(_) => list(context).await,
        Command::Revoke(args) => revoke(context, &args).await,
    }
}

async fn create(context: &Context, args: &CreateArgs) -> Result<Exit> {
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Failure::usage("--name: say in 1 to 100 characters what the key is for").into());
    }
    let (mut id, mut secret) = ([0; 4], [0; 32]);
    context.chance.fill(&mut id);
    context.chance.fill(&mut secret);
    let id = hex::encode(id);
    let key = format!("efface_{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    context.store.create_api_key(&id, name, &hash, &context.actor).await?;
    if context.json {
        print::json(&json!({ "id": id, "name": name, "key": key }))?;
    } else {
        // the key alone on standard output, so that it can be piped into a secret store
        print::aside(format!("key {id} for {name}; it is shown this once:"));
        say!("{key}");
    }
    Ok(Exit::Done)
}

async fn list(context: &Context) -> Result<Exit> {
    let keys = context.store.api_keys().await?;
    if context.json {
        let keys: Vec<_> = keys
            .iter()
            .map(|k| {
                json!({
                    "id": k.id, "name": k.name, "created_at": k.created_at,
                    "created_by": k.created_by, "revoked_at": k.revoked_at,
                })
            })
            .collect();
        print::json(&keys)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["id", "name", "created", "by", "revoked"]);
    for ApiKeyRow { id, name, created_at, created_by, revoked_at, .. } in keys {
        table.row([id, name, when(created_at), created_by, maybe_when(revoked_at)]);
    }
    table.print("there is no key; `efface api-key create --name …` makes one")?;
    Ok(Exit::Done)
}

async fn revoke(context: &Context, args: &RevokeArgs) -> Result<Exit> {
    // a whole key pasted here is understood, and not repeated
    let id = args.id.strip_prefix("efface_").and_then(|rest| rest.split('_').next());
    let id = shortened(id.unwrap_or(&args.id));
    context.store.revoke_api_key(&id, &context.actor).await?;
    if context.json {
        print::json(&json!({ "id": id, "revoked": true }))?;
    } else {
        say!("key {id} is revoked; a running API refuses it within two seconds");
    }
    Ok(Exit::Done)
}
