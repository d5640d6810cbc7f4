//! A cluster comes up, keeps its promises through restarts and kills, and leaves nothing behind.

use super::cluster::processes_in;
use super::*;

fn ask(postgres: &TempPostgres, url: &str, sql: &str) -> Result<String, PostgresError> {
    let mut command = postgres.binaries.command("psql");
    let output = command
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .output();
    let answer = output.as_ref().map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let answer = answer.unwrap_or_default();
    succeed("ask", output).map(|()| answer)
}

fn places(postgres: &TempPostgres) -> (PathBuf, PathBuf) {
    let cluster = postgres.cluster.as_ref().unwrap();
    (cluster.folder().to_owned(), cluster.data())
}

#[test]
fn databases_are_fresh_and_apart_and_nothing_is_left_after_stop() {
    let postgres = TempPostgres::fast().unwrap();
    let (folder, data) = places(&postgres);
    let (one, two) = (postgres.create_database().unwrap(), postgres.create_database().unwrap());
    assert_ne!(one, two);
    ask(&postgres, &one, "create table person (id int)").unwrap();
    assert_eq!(
        ask(&postgres, &two, "select count(*) from pg_tables where tablename = 'person'").unwrap(),
        "0"
    );
    assert_eq!(ask(&postgres, &one, "show timezone").unwrap(), "UTC");
    assert!(!processes_in(&data).is_empty() || !Path::new("/proc").exists());

    postgres.stop().unwrap();

    assert_eq!(processes_in(&data), Vec::<String>::new());
    assert!(!folder.exists());
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_the_url_stays() {
    let mut postgres = TempPostgres::durable().unwrap();
    let (folder, data) = places(&postgres);
    let url = postgres.create_database().unwrap();
    ask(&postgres, &url, "create table kept (n int); insert into kept values (7)").unwrap();

    postgres.kill9().unwrap();
    assert_eq!(processes_in(&data), Vec::<String>::new());
    assert!(ask(&postgres, &url, "select 1").is_err());

    for mode in [StopMode::Immediate, StopMode::Fast, StopMode::Immediate] {
        postgres.restart(mode).unwrap();
        assert_eq!(ask(&postgres, &url, "select n from kept").unwrap(), "7", "{mode:?}");
    }

    drop(postgres);
    assert_eq!(processes_in(&data), Vec::<String>::new());
    assert!(!folder.exists());
}

#[test]
fn a_stranger_without_the_password_is_refused() {
    let postgres = TempPostgres::fast().unwrap();
    let (_, rest) = postgres.url().split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    assert!(ask(&postgres, &format!("postgres://postgres:guess@{server}"), "select 1").is_err());
}

#[test]
fn the_cluster_of_the_whole_run_is_used_but_never_stopped() {
    let owner = TempPostgres::fast().unwrap();
    let mut guest = TempPostgres {
        binaries: owner.binaries.clone(),
        url: owner.url().to_owned(),
        cluster: None,
    };
    let url = guest.create_database().unwrap();
    assert!(matches!(guest.kill9(), Err(PostgresError::NotOurs { .. })));
    assert!(matches!(guest.restart(StopMode::Fast), Err(PostgresError::NotOurs { .. })));
    guest.stop().unwrap();
    assert_eq!(ask(&owner, &url, "select 1").unwrap(), "1");
}

#[test]
fn a_database_takes_the_place_of_the_one_in_the_url() {
    for (url, expected) in [
        ("postgres://u:p@h:5/postgres", "postgres://u:p@h:5/new"),
        ("postgres://u:p@h:5/postgres?sslmode=disable", "postgres://u:p@h:5/new?sslmode=disable"),
        ("postgres://u:p@h/x?application_name=a/b", "postgres://u:p@h/new?application_name=a/b"),
    ] {
        assert_eq!(database_url(url, "new"), expected);
    }
}
