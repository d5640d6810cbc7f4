//! The cases, one after the other; within a case the sides take turns.

use anyhow::{Context, Result};

use super::{
    args::Args,
    bare,
    children::{Stub, outcome},
    crew,
    engine::{self, Outcome, Setup},
    intake, load,
    place::{Kind, Places},
    report::{Report, quantile},
};

/// Runs what was asked for, prints it and writes it down.
pub async fn all(args: &Args) -> Result<()> {
    let places = Places::open(&args.databases)?;
    let mut bench = Bench { args, places, report: Report::default() };
    println!("{:<8} {:<9} {:<46} {:>9}     spread", "case", "database", "figure", "median");
    for kind in &args.databases {
        if bench.wanted("single") {
            bench.single(*kind).await.context("single")?;
        }
        if bench.wanted("batch") {
            bench.batch(*kind).await.context("batch")?;
        }
        if bench.wanted("intake") {
            bench.intake(*kind).await.context("intake")?;
        }
        if bench.wanted("latency") {
            bench.latency(*kind).await.context("latency")?;
        }
        if bench.wanted("workers") && *kind == Kind::Postgres {
            crew::measure(&bench.places, args, &mut bench.report).await.context("workers")?;
        }
        if bench.wanted("backlog") || bench.wanted("start") {
            bench.backlog(*kind).await.context("backlog")?;
        }
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&bench.report)?;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

struct Bench<'a> {
    args: &'a Args,
    places: Places,
    report: Report,
}

fn rate(o: &Outcome) -> f64 {
    o.settled as f64 / o.seconds
}

fn closed_rate(o: &Outcome) -> f64 {
    o.settled as f64 / o.closed_seconds
}

fn micros_each(o: &Outcome) -> f64 {
    o.processor_seconds * 1e6 / o.settled.max(1) as f64
}

impl Bench<'_> {
    fn wanted(&self, case: &str) -> bool {
        self.args.only.as_deref().is_none_or(|only| only.split(',').any(|one| one == case))
    }

    fn sized(&self, full: u64, quick: u64) -> u64 {
        if self.args.quick { quick } else { full }
    }

    fn setup(&self, url: &str, stub: &Stub, batch: u32) -> Setup {
        Setup {
            url: url.to_owned(),
            stub: stub.base.clone(),
            controllers: self.args.lanes,
            accounts: 1,
            batch,
            in_flight: self.args.in_flight,
            calls_per_second: None,
        }
    }

    async fn settle_all(&self, kind: Kind, batch: u32, people: u64) -> Result<Outcome> {
        let stub = Stub::start().await?;
        let setup = self.setup(&self.places.fresh(kind)?, &stub, batch);
        let fill =
            load::Job { people, group: 2_000, released: true, opened: true, half_due: false };
        outcome("load", &(&setup, &fill)).await?;
        let measured = outcome("engine", &(&setup, &engine::Job::UntilClosed { people })).await?;
        let calls = stub.calls().await?;
        anyhow::ensure!(measured.settled == people, "{} of {people} settled", measured.settled);
        anyhow::ensure!(calls * u64::from(batch) >= people, "{calls} calls for {people} people");
        self.places.drop(&setup.url).await?;
        Ok(measured)
    }

    /// One person per call.
    async fn single(&mut self, kind: Kind) -> Result<()> {
        let (people, in_flight) = (self.sized(30_000, 3_000), self.args.in_flight);
        let (mut engine, mut closed, mut calls, mut queue, mut cost, mut memory) =
            (vec![], vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..self.args.runs {
            let stub = Stub::start().await?;
            let job = bare::Job::Calls { stub: stub.base.clone(), calls: people * 2, in_flight };
            calls.push(rate(&outcome("bare", &job).await?));
            let url = self.places.fresh(kind)?;
            let job = bare::Job::ClaimCallComplete {
                url: url.clone(),
                stub: stub.base.clone(),
                jobs: people,
                in_flight,
                batch: 200,
            };
            queue.push(rate(&outcome("bare", &job).await?));
            self.places.drop(&url).await?;
            drop(stub);
            let measured = self.settle_all(kind, 1, people).await?;
            engine.push(rate(&measured));
            closed.push(closed_rate(&measured));
            cost.push(micros_each(&measured));
            memory.push(measured.peak_memory_mb);
        }
        let (case, db) = ("single", kind.word());
        self.report.figure(case, db, "engine, one person per call: settled", "/s", &engine);
        self.report.figure(case, db, "engine: their requests closed too", "/s", &closed);
        self.report.figure(case, db, "the client alone: calls", "/s", &calls);
        self.report.figure(case, db, "bare claim, call, complete by 200: jobs", "/s", &queue);
        self.report.figure(case, db, "engine's processor time per task", "µs", &cost);
        self.report.figure(case, db, "engine's peak memory", "MB", &memory);
        self.report.ratio(case, db, "engine / the client alone", &engine, &calls);
        self.report.ratio(case, db, "engine / bare queue", &engine, &queue);
        Ok(())
    }

    /// A hundred people per call.
    async fn batch(&mut self, kind: Kind) -> Result<()> {
        let people = self.sized(60_000, 6_000);
        let (mut engine, mut closed, mut queue, mut cost) = (vec![], vec![], vec![], vec![]);
        for _ in 0..self.args.runs {
            let url = self.places.fresh(kind)?;
            let job = bare::Job::ClaimComplete { url: url.clone(), jobs: people, batch: 100 };
            queue.push(rate(&outcome("bare", &job).await?));
            self.places.drop(&url).await?;
            let measured = self.settle_all(kind, 100, people).await?;
            engine.push(rate(&measured));
            closed.push(closed_rate(&measured));
            cost.push(micros_each(&measured));
        }
        let (case, db) = ("batch", kind.word());
        self.report.figure(case, db, "engine, 100 people per call: settled", "/s", &engine);
        self.report.figure(case, db, "engine: their requests closed too", "/s", &closed);
        self.report.figure(case, db, "bare claim, complete by 100, no call: jobs", "/s", &queue);
        self.report.figure(case, db, "engine's processor time per task", "µs", &cost);
        self.report.ratio(case, db, "engine / bare queue", &engine, &queue);
        Ok(())
    }

    /// Six accounts planned for each person.
    async fn intake(&mut self, kind: Kind) -> Result<()> {
        let people = self.sized(20_000, 2_000);
        let (mut import, mut rows, mut cost, mut api) = (vec![], vec![], vec![], vec![]);
        for _ in 0..self.args.runs {
            let url = self.places.fresh(kind)?;
            let job = bare::Job::Insert { url: url.clone(), people, tasks: 6, group: 500 };
            rows.push(rate(&outcome("bare", &job).await?));
            self.places.drop(&url).await?;
            let setup = Setup {
                url: self.places.fresh(kind)?,
                stub: String::new(),
                controllers: 1,
                accounts: 6,
                batch: 1,
                in_flight: 1,
                calls_per_second: None,
            };
            let fill =
                load::Job { people, group: 500, released: false, opened: false, half_due: false };
            let measured = outcome("load", &(&setup, &fill)).await?;
            import.push(rate(&measured));
            cost.push(micros_each(&measured));
            self.places.drop(&setup.url).await?;
            let served = Setup { url: self.places.fresh(kind)?, ..setup };
            let server = Stub::api(&served).await?;
            let job =
                intake::Clients { base: server.base.clone(), clients: 32, requests: people / 2 };
            api.push(rate(&outcome("clients", &job).await?));
            drop(server);
            self.places.drop(&served.url).await?;
        }
        let (case, db) = ("intake", kind.word());
        self.report.figure(case, db, "import by 500, six accounts: requests", "/s", &import);
        self.report.figure(case, db, "bare rows (1 + 6) by 500: requests", "/s", &rows);
        self.report.figure(case, db, "import's processor time per request", "µs", &cost);
        self.report.figure(case, db, "API, 32 connections, six accounts: requests", "/s", &api);
        self.report.ratio(case, db, "import / bare rows", &import, &rows);
        self.report.ratio(case, db, "API / bare rows", &api, &rows);
        Ok(())
    }

    /// An idle engine, one request now and then.
    async fn latency(&mut self, kind: Kind) -> Result<()> {
        let samples = u32::try_from(self.sized(300, 40))?;
        let (mut p50, mut p99) = (vec![], vec![]);
        for _ in 0..self.args.runs.min(3) {
            let stub = Stub::start().await?;
            let setup = self.setup(&self.places.fresh(kind)?, &stub, 1);
            let fill =
                load::Job { people: 1, group: 1, released: false, opened: false, half_due: false };
            outcome("load", &(&setup, &fill)).await?;
            let measured = outcome("engine", &(&setup, &engine::Job::Latency { samples })).await?;
            p50.push(quantile(&measured.samples, 0.5));
            p99.push(quantile(&measured.samples, 0.99));
            self.places.drop(&setup.url).await?;
        }
        let (case, db) = ("latency", kind.word());
        self.report.figure(case, db, "idle: filing to call, half of all within", "ms", &p50);
        self.report.figure(case, db, "idle: filing to call, 99 of 100 within", "ms", &p99);
        Ok(())
    }

    /// A short and a long backlog, and a start on each.
    async fn backlog(&mut self, kind: Kind) -> Result<()> {
        let (few, many) = (self.sized(100_000, 6_000), self.sized(1_000_000, 30_000));
        let people = self.sized(20_000, 2_000);
        let stub = Stub::start().await?;
        let mut filled = vec![];
        for count in [few, many] {
            let setup = self.setup(&self.places.fresh(kind)?, &stub, 1);
            let fill = load::Job {
                people: count,
                group: 2_000,
                released: false,
                opened: false,
                half_due: true,
            };
            outcome("load", &(&setup, &fill)).await?;
            filled.push(setup);
        }
        let (case, db) = ("backlog", kind.word());
        if self.wanted("start") {
            for (setup, count) in filled.iter().zip([few, many]) {
                let mut start = vec![];
                for _ in 0..self.args.runs {
                    let began = outcome("engine", &(setup, &engine::Job::Start)).await?;
                    start.push(began.seconds * 1e3);
                }
                self.report.figure(
                    "start",
                    db,
                    format!("start with {count} open tasks"),
                    "ms",
                    &start,
                );
            }
        }
        if self.wanted("backlog") {
            let (mut short, mut long, mut memory) = (vec![], vec![], vec![]);
            for _ in 0..self.args.runs {
                let mut copied = filled[0].clone();
                copied.url = self.places.copy(&filled[0].url).await?;
                let job = engine::Job::Settle { people };
                short.push(rate(&outcome("engine", &(&copied, &job)).await?));
                self.places.drop(&copied.url).await?;
                let measured = outcome("engine", &(&filled[1], &job)).await?;
                long.push(rate(&measured));
                memory.push(measured.peak_memory_mb);
            }
            self.report.figure(case, db, format!("{few} open tasks: settled"), "/s", &short);
            self.report.figure(case, db, format!("{many} open tasks: settled"), "/s", &long);
            self.report.figure(case, db, format!("{many} open tasks: peak memory"), "MB", &memory);
            self.report.ratio(case, db, "long / short backlog", &long, &short);
        }
        for setup in &filled {
            self.places.drop(&setup.url).await?;
        }
        Ok(())
    }
}
