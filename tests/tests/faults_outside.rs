//! The small size of each scene of the fault harness: the real `efface`, with everything around it failing.

use efface_tests::faults::{Database, Row, Setting, Tier, scenes::SCENES, table, variant};

const STAND_INS: &str = env!("CARGO_BIN_EXE_stand_ins");

async fn play(name: &str, database: Database) {
    let scene = SCENES.iter().find(|scene| scene.name == name).expect("a scene of this name");
    assert!(scene.tiers.contains(&Tier::Short) && scene.databases.contains(&database));
    if let Some(why) = (scene.cannot)() {
        println!("not played: {why}");
        return;
    }
    let setting = Setting::short(database, STAND_INS);
    let seed = setting.seed;
    let figures = (scene.play)(setting).await;
    assert!(figures.trials > 0, "no fault met any work: {figures:?}");
    let took = std::time::Duration::ZERO;
    println!("{}", table(&[Row { scene: scene.name, database, seed, took, figures: Ok(figures) }]));
}

macro_rules! scenes {
    ($($test:ident: $name:literal on $($database:ident),+;)+) => {
        /// What is played here, to be held against the list.
        const PLAYED: &[(&str, Database)] = &[$($(($name, Database::$database),)+)+];
        $(mod $test {
            $(#[allow(non_snake_case, reason = "named after the database")]
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $database() {
                super::play($name, super::Database::$database).await;
            })+
        })+
    };
}

scenes! {
    a_worker_that_wakes_after_its_lease_writes_nothing: "zombie" on Postgresql;
    a_second_worker_on_sqlite_is_refused: "second" on Sqlite;
    eight_workers_that_begin_at_one_moment_share_the_lanes: "race" on Postgresql;
    a_database_that_goes_and_comes_costs_nothing: "restart" on Postgresql;
    a_worker_cut_off_from_its_database_calls_nobody_unrecorded: "cut" on Postgresql;
    a_full_disk_is_told_and_outlived: "full" on Sqlite;
    a_storm_at_all_vendors_costs_nobody_the_erasure: "storm" on Sqlite, Postgresql;
    a_worker_asked_to_stop_leaves_nothing_in_doubt: "rolling" on Sqlite, Postgresql;
    a_revoked_key_is_one_question_and_no_loss: "key" on Sqlite, Postgresql;
    withdrawals_and_the_brake_meet_calls_that_leave: "brake" on Sqlite, Postgresql;
    a_schema_that_changes_beneath_the_work_loses_nothing: "upgrade" on Sqlite, Postgresql;
    a_database_that_was_set_back_under_load_repeats_nothing_forbidden: "restore" on Sqlite, Postgresql;
    a_wall_clock_that_steps_ends_no_lease_and_no_deadline: "clock" on Sqlite, Postgresql;
}

#[test]
fn every_scene_of_the_short_tier_is_played_on_each_of_its_databases() {
    for scene in SCENES.iter().filter(|scene| scene.tiers.contains(&Tier::Short)) {
        for database in scene.databases {
            // the tests of `kill_run` are this scene, larger
            let played = scene.name == "kill" || PLAYED.contains(&(scene.name, *database));
            assert!(played, "{} on {}", scene.name, database.word());
        }
    }
}

#[test]
fn the_ordinary_binary_holds_no_crash_points() {
    let setting = Setting::short(Database::Sqlite, STAND_INS);
    assert!(!variant::holds_crash_points(&setting.efface));
}
