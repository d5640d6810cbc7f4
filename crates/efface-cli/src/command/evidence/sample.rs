//! `efface evidence sample`: requests of a period drawn by lot, so that whoever checks need not trust
//! whoever chose.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{ControllerId, RequestId};
use jiff::civil::Date;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::period::{Folder, Period, ended};
use crate::{
    exit::Exit,
    print::{self, Table, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface evidence sample --from 2026-01-01 --to 2026-03-31 --n 25 --seed 4711
  efface evidence sample --from 2026-01-01 --to 2026-12-31 --n 60 --seed 'minutes of 12 January' -o audit-2026

Let whoever checks choose the seed. population.csv lists every request received in the period, without
identifiers; a request's lot is the SHA-256 of the seed, a space and the request's id, in hexadecimal,
and the smallest lots are drawn:

  printf '%s %s' 4711 0193… | sha256sum";

/// `efface evidence sample`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Of the requests received from this day on
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Date,
    /// … up to this day, which is included
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Date,
    /// How many are drawn
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// What the lots are drawn by: a word of whoever checks
    #[arg(long, value_name = "TEXT")]
    seed: String,
    /// Only this controller's
    #[arg(long, value_name = "ID")]
    controller: Option<ControllerId>,
    /// Folder for the list and the packs [default: efface-sample-<from>-<to>]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Go on in a folder that is not empty
    #[arg(long)]
    force: bool,
}

/// # Errors
/// When the folder cannot be written, or the database cannot be read.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let Args { from, to, seed, .. } = args;
    let period = Period { from: *from, to: *to, controller: args.controller.clone() };
    let all = period.requests(context).await?;
    let output = args.output.clone();
    let folder = Folder::open(
        output.unwrap_or_else(|| PathBuf::from(format!("efface-sample-{from}-{to}"))),
        args.force,
    )?;
    folder.list(&all, context.now(), |id| Some(lot(seed, id)))?;
    let ids: Vec<RequestId> = all.iter().map(|r| r.id).collect();
    let drawn = draw(seed, &ids, usize::try_from(args.n).unwrap_or(usize::MAX));
    let draw = json!({
        "from": from.to_string(), "to": to.to_string(), "controller": args.controller,
        "population": ids.len(), "seed": seed, "n": args.n,
        "method": "the smallest SHA-256 of seed, space, request id",
        "drawn": drawn,
    });
    folder.write("draw.json", format!("{draw:#}\n").as_bytes())?;
    let failed = folder.packs(context, &drawn).await?;
    if context.json {
        let mut body = draw;
        body["folder"] = json!(folder.path);
        body["failed"] = json!(failed);
        print::json(&body)?;
        return Ok(ended(&failed));
    }
    say!(
        "{} of {} received from {from} to {to}, drawn by {seed:?}",
        drawn.len(),
        print::count(ids.len(), "request")
    );
    let mut table = Table::new(&["request", "lot"]);
    for id in &drawn {
        table.row([id.to_string(), lot(seed, *id)]);
    }
    table.print("nobody asked for anything in that period")?;
    folder.tell(drawn.len() - failed.len())?;
    Ok(ended(&failed))
}

/// A request's lot.
fn lot(seed: &str, id: RequestId) -> String {
    hex::encode(Sha256::digest(format!("{seed} {id}")))
}

/// The requests with the smallest lots, smallest first.
fn draw(seed: &str, all: &[RequestId], n: usize) -> Vec<RequestId> {
    let mut lots: Vec<(String, RequestId)> = all.iter().map(|id| (lot(seed, *id), *id)).collect();
    lots.sort();
    lots.into_iter().take(n).map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::{draw, lot};

    #[test]
    fn a_lot_is_what_anybody_reckons_with_the_seed() {
        let id = "01931d6e-7e3a-7000-8000-000000000001".parse().expect("an id");
        // printf '%s %s' 4711 01931d6e-7e3a-7000-8000-000000000001 | sha256sum
        assert_eq!(
            lot("4711", id),
            "a192c45f197d6a20adac0bb5b5d0d4f6d842ca80f2758197cb69c16df3d425ac"
        );
    }

    #[test]
    fn the_draw_depends_on_the_seed_alone_and_holds_nobody_twice() {
        let all: Vec<_> =
            (0..50).map(|n| efface_core::RequestId(uuid::Uuid::from_u128(n))).collect();
        let mut backwards = all.clone();
        backwards.reverse();
        let drawn = draw("a", &all, 10);
        assert_eq!(drawn, draw("a", &backwards, 10));
        assert_ne!(drawn, draw("b", &all, 10));
        assert_eq!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len(), 10);
        assert_eq!(draw("a", &all, 100).len(), 50);
    }
}
