//! One table of sentences about the memory, held against SQLite and PostgreSQL alike.
//!
//! `EFFACE_ONLY=word` runs only the sentences whose name holds the word.

mod common;

#[path = "conformance/accounts.rs"]
mod accounts;
#[path = "conformance/brakes.rs"]
mod brakes;
#[path = "conformance/company.rs"]
mod company;
#[path = "conformance/desk.rs"]
mod desk;
#[path = "conformance/doors.rs"]
mod doors;
#[path = "conformance/filing.rs"]
mod filing;
#[path = "conformance/history.rs"]
mod history;
#[path = "conformance/keys.rs"]
mod keys;
#[path = "conformance/lanes.rs"]
mod lanes;
#[path = "conformance/ledgers.rs"]
mod ledgers;
#[path = "conformance/log.rs"]
mod log;
#[path = "conformance/privacy.rs"]
mod privacy;
#[path = "conformance/queues.rs"]
mod queues;
#[path = "conformance/restore.rs"]
mod restore;
#[path = "conformance/rooms.rs"]
mod rooms;
#[path = "conformance/suppression.rs"]
mod suppression;
#[path = "conformance/units.rs"]
mod units;

use common::bench::{Case, Kind, check_all};

const CASES: &[Case] = cases! {
    filing:
        filing_writes_request_tags_tasks_leaf_and_follow_up_together,
        a_filing_that_fails_in_the_middle_writes_nothing,
        the_same_filing_key_files_once,
        the_same_filing_key_from_two_processes_at_once_files_once,
        twenty_at_once_about_one_person_are_one_request_and_nineteen_duplicates,
        a_duplicate_that_names_more_brings_a_desk_item,
        what_differs_in_action_scope_or_controller_or_follows_a_closed_one_is_no_duplicate,
        an_identifier_told_and_proved_counts_as_proved,
        the_brakes_at_the_door_refuse_and_say_why,
        one_refusal_spoils_no_other,
        planning_without_filing_writes_nothing;
    company:
        another_action_waits_at_each_account_and_is_freed_when_the_earlier_task_settles,
        the_third_waits_for_the_second,
        waiting_for_another_does_not_hide_a_missing_identifier,
        cancelling_the_earlier_request_frees_the_later,
        what_settles_before_the_filing_is_seen_frees_all_the_same,
        two_people_who_share_a_phone_share_it_both,
        a_third_who_names_only_the_shared_phone_is_nobodys_duplicate,
        a_phone_shared_across_controllers_starves_the_other_controllers_task,
        a_phone_that_is_amended_in_is_shared_too,
        a_phone_that_is_proved_later_is_shared_too,
        a_phone_that_two_prove_at_the_same_moment_is_shared,
        what_is_proved_later_keeps_its_place_and_names_its_twin,
        a_lift_gets_back_the_state_before_its_own_suppress_and_nobody_elses;
    doors:
        identify_proves_and_says_when_it_is_late,
        amend_adds_never_removes_and_asks_for_release_again,
        an_amendment_takes_the_release_from_whatever_is_out_or_about_to_go,
        amend_accepts_one_address_typed_in_two_ways,
        release_begins_cooling_off_and_needs_identity,
        deny_needs_a_note_and_ends_every_task,
        cancel_ends_what_was_not_sent_and_marks_what_is_out,
        cancel_of_an_amended_request_with_something_out_still_ends,
        hold_stops_what_is_ready_and_end_hold_lets_it_go,
        answered_is_recorded_once_and_late_too,
        mark_in_error_holds_what_is_open,
        replan_adds_tasks_for_an_account_that_went_live,
        an_import_is_released_held_and_counted_as_one;
    brakes:
        a_hold_holds_what_the_vendor_had_blocked,
        retry_during_a_hold_waits_for_its_end,
        retry_before_release_waits_for_release,
        retry_without_a_personal_identifier_is_refused,
        pausing_an_account_leaves_its_desk_item_open;
    queues:
        wake_due_moves_only_what_is_due,
        due_tasks_come_earliest_deadline_first_with_identifiers,
        receipts_come_when_due_and_stay_away_when_done,
        orders_are_open_until_answered,
        next_wake_is_the_earliest_of_all,
        memos_and_priors_open_under_their_own_requests_key_alone;
    lanes:
        a_lane_is_taken_kept_and_given_back,
        a_lease_ends_by_the_databases_clock,
        the_same_name_retakes_at_once_with_a_higher_epoch,
        a_write_under_an_old_epoch_is_refused_and_writes_nothing,
        order_numbers_rise_over_owners;
    units:
        a_stale_version_refuses_the_whole_unit_and_names_the_task,
        in_a_group_only_the_bad_unit_fails,
        a_write_to_what_is_not_there_is_refused,
        units_about_one_request_travel_together,
        processes_that_write_the_same_tasks_in_any_order_do_not_deadlock,
        a_unit_that_loses_a_fight_for_rows_is_written_again,
        a_follow_up_asked_for_meanwhile_stays;
    desk:
        an_item_is_opened_once_per_subject_and_reason,
        two_processes_open_one_item,
        retry_attest_and_waive_decide_a_tasks_item,
        a_candidate_is_picked_by_its_number,
        lower_evidence_is_accepted_for_one_task,
        a_lost_order_is_decided_as_one,
        nobody_found_closes_as_no_match,
        what_stands_beside_is_dismissed,
        an_accounts_item_is_resumed,
        a_choice_that_does_not_fit_is_refused;
    accounts:
        accounts_begin_in_observe_and_go_live_by_name,
        pause_resume_and_stop_say_what_they_did,
        a_floor_needs_a_reason_and_a_reachable_level,
        a_start_does_not_undo_a_pause,
        two_people_change_an_account_and_both_changes_stand;
    keys:
        a_destroyed_month_opens_nothing_and_what_is_open_outlives_it,
        an_entry_of_the_list_outlives_its_month,
        a_watchs_key_counts_for_its_month_and_is_carried_over,
        two_processes_that_make_a_months_key_agree_on_one;
    suppression:
        a_suppress_that_closes_leaves_a_sealed_entry_and_an_erasure_a_hash,
        the_same_wish_again_renews_its_entry_and_the_first_state_stays,
        a_forgotten_request_is_lifted_from_its_entry,
        a_lift_where_nobody_was_told_is_done_at_once_and_a_cancelled_one_leaves_the_entry,
        a_check_finds_by_address_and_by_hash_and_nobody_of_another_controller,
        an_account_that_goes_live_later_is_told_by_the_ordinary_doors,
        what_was_filed_for_one_account_stands_for_no_whole_wish,
        an_entry_that_changed_meanwhile_refuses_the_whole_unit;
    ledgers:
        an_import_is_begun_once_per_file,
        api_keys_are_kept_as_hashes_and_revoked_once,
        answers_to_idempotency_keys_are_kept_sealed_and_first_wins,
        errands_wait_are_answered_and_ring_no_wrong_lane,
        breaches_are_marked_once,
        counts_agree_with_closed_and_open,
        jobs_remember_their_last_run;
    log:
        each_entry_gets_one_position_whoever_writes_meanwhile,
        an_owner_whose_lane_was_taken_places_nothing,
        a_checkpoint_leads_to_every_later_one_and_to_no_other_log,
        a_pack_verifies_and_opens_for_the_person_alone,
        whatever_is_changed_in_the_journal_afterwards_is_found;
    restore:
        a_checkpoint_saves_what_its_own_leaves_tell,
        a_database_that_was_set_back_goes_on_step_by_step_under_a_new_name,
        entries_of_the_list_come_back_by_their_tags_and_lifted_ones_stay_lifted;
    privacy:
        nothing_personal_stands_in_any_column_or_file;
    history:
        replaying_the_journal_gives_the_stored_rows_after_a_random_walk;
    rooms:
        a_second_process_writes_too_and_nothing_is_lost,
        two_processes_may_make_the_schema_at_once,
        a_newer_schema_is_named,
        a_database_without_schema_is_named,
        a_read_only_database_says_so,
        a_missing_database_is_named,
        a_migration_that_was_cut_short_can_be_run_again;
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sentence_holds_on_sqlite() {
    check_all(Kind::Sqlite, CASES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sentence_holds_on_postgresql() {
    check_all(Kind::Postgres, CASES).await;
}
