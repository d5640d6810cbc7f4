//! Several workers on one PostgreSQL: how much the many settle beside the one, and whether an account's
//! pace holds whoever calls.

use std::time::Duration;

use anyhow::{Result, ensure};
use sea_orm::sqlx::{Connection as _, PgConnection};

use super::{
    args::Args,
    children::{Stub, outcome},
    engine::Setup,
    load,
    place::{self, Kind, Places},
    report::Report,
    watch,
};

const CREWS: [u32; 4] = [1, 2, 4, 8];
/// Lanes, so that each of eight workers has two.
const LANES: u32 = 16;
/// The pace that is asked for where it is judged.
const CALLS_PER_SECOND: u32 = 50;
/// A pace is judged over windows of this length, in seconds.
const WINDOW: u32 = 5;

pub async fn measure(places: &Places, args: &Args, report: &mut Report) -> Result<()> {
    let people = if args.quick { 6_000 } else { 60_000 };
    let mut rates = CREWS.map(|_| vec![]);
    for _ in 0..args.runs {
        for (rates, workers) in rates.iter_mut().zip(CREWS) {
            let (rate, _) = run(places, args, workers, people, None).await?;
            rates.push(rate);
        }
    }
    let (case, db) = ("workers", Kind::Postgres.word());
    for (measured, workers) in rates.iter().zip(CREWS) {
        let what = format!("{workers} workers, {LANES} lanes: settled");
        report.figure(case, db, what, "/s", measured);
    }
    for (measured, workers) in rates.iter().zip(CREWS).skip(1) {
        report.ratio(case, db, format!("{workers} workers / one"), measured, &rates[0]);
    }
    let people = u64::from(LANES * CALLS_PER_SECOND * if args.quick { 10 } else { 30 });
    for workers in [1, 8] {
        let (_, most) = run(places, args, workers, people, Some(CALLS_PER_SECOND)).await?;
        let what = format!("{workers} workers: most calls of an account, of what its pace allows");
        report.figure(case, db, what, "%", &[most * 100.0]);
    }
    Ok(())
}

/// People settled each second between the first and the last tenth, and the most calls an account saw
/// in a window, of those its pace allows.
async fn run(
    places: &Places,
    args: &Args,
    workers: u32,
    people: u64,
    pace: Option<u32>,
) -> Result<(f64, f64)> {
    let stub = Stub::start().await?;
    let setup = Setup {
        url: places.fresh(Kind::Postgres)?,
        stub: stub.base.clone(),
        controllers: LANES,
        accounts: 1,
        batch: 1,
        in_flight: args.in_flight,
        calls_per_second: pace.map(f64::from),
    };
    let fill = load::Job { people, group: 2_000, released: true, opened: true, half_due: false };
    outcome("load", &(&setup, &fill)).await?;
    let mut crew = vec![];
    for _ in 0..workers {
        crew.push(Stub::worker(&setup).await?);
    }
    let mut db = PgConnection::connect(&setup.url).await?;
    let tenth = people as i64 / 10;
    let mut first = None;
    let began = watch::instant();
    let (from, to) = loop {
        let settled = place::settled(&mut db).await?;
        if settled >= tenth && first.is_none() {
            first = Some((watch::instant(), settled));
        }
        if settled >= tenth * 9
            && let Some(first) = first
        {
            break (first, (watch::instant(), settled));
        }
        ensure!(began.elapsed() < Duration::from_secs(600), "{settled} of {people} are settled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    drop(crew);
    let rate = (to.1 - from.1) as f64 / (to.0 - from.0).as_secs_f64();
    let most = match pace {
        Some(pace) => most_in_a_window(&stub, pace).await?,
        None => 0.0,
    };
    places.drop(&setup.url).await?;
    Ok((rate, most))
}

async fn most_in_a_window(stub: &Stub, pace: u32) -> Result<f64> {
    let window = u64::from(WINDOW) * 1_000_000_000;
    let mut most = 0;
    for (_, mut at) in stub.arrivals().await? {
        at.sort_unstable();
        let mut from = 0;
        for (to, now) in at.iter().enumerate() {
            while at.get(from).is_some_and(|first| first + window <= *now) {
                from += 1;
            }
            most = most.max(to - from + 1);
        }
    }
    ensure!(most > 0, "no call came in");
    Ok(most as f64 / f64::from(pace * WINDOW))
}
