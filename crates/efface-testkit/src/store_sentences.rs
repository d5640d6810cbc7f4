//! Sentences about the [`Store`] trait alone. Whatever calls itself a store says yes to each of them:
//! the one on SQLite, the one on PostgreSQL, and the one in memory, which is licensed by nothing else.

mod fixture;
mod lanes;
mod later;
mod list;
mod queues;
mod units;

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use efface_core::{RequestId, Timestamp, outside::Chance, task::Task};
use efface_store::{NewRequest, Store, TaskRow};

pub use fixture::{directory, erase};
use lanes::*;
use list::{
    an_entry_is_found_by_its_person_and_written_by_its_version,
    of_two_requests_of_one_person_the_second_waits_for_the_first,
    who_stands_on_the_list_is_found_among_a_vendors_people,
};
use queues::*;
use units::*;

use crate::hand::HandClock;
use later::{
    a_record_ends_with_what_is_its_alone,
    a_watch_is_due_on_its_day_and_outlives_whom_its_request_forgot,
};

/// A store to be asked, and the few doors around it.
#[async_trait]
pub trait Rig: Send + Sync {
    fn store(&self) -> &dyn Store;
    /// What rows are written by; it goes on when it is moved.
    fn clock(&self) -> &HandClock;
    fn chance(&self) -> &dyn Chance;
    /// Files a released request that does not cool off.
    async fn file(&self, new: NewRequest) -> RequestId;
    async fn tasks_of(&self, id: RequestId) -> Vec<TaskRow>;
    /// How many entries the journal has.
    async fn leaves(&self) -> u64;
    /// How many desk items are open.
    async fn on_the_desk(&self) -> usize;
    /// Lets so much of the database's own time pass.
    async fn wait(&self, by: Duration);

    async fn task(&self, id: &Task) -> Task {
        let rows = self.tasks_of(id.request).await;
        rows.into_iter().map(|r| r.task).find(|t| t.id == id.id).expect("the task is there")
    }

    fn now(&self) -> Timestamp {
        efface_core::outside::Clock::now(self.clock())
    }
}

/// A sentence being said.
pub type Said = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A sentence and what proves it.
#[derive(Clone, Copy)]
pub struct Sentence {
    pub name: &'static str,
    pub run: fn(Arc<dyn Rig>) -> Said,
}

macro_rules! sentences {
    ($($name:ident),+ $(,)?) => {
        /// Every sentence.
        pub const SENTENCES: &[Sentence] =
            &[$(Sentence { name: stringify!($name), run: |rig| Box::pin($name(rig)) }),+];
    };
}

sentences! {
    a_unit_is_written_whole_or_not_at_all,
    each_write_names_the_version_it_read,
    a_write_to_what_is_not_there_is_refused,
    a_lane_has_one_owner_and_every_taking_a_higher_epoch,
    a_lease_that_ran_out_can_be_taken,
    a_write_under_an_old_epoch_is_refused_and_writes_nothing,
    order_numbers_rise_over_owners,
    workers_see_one_another_and_who_holds_what,
    what_is_due_comes_earliest_deadline_first,
    what_waits_is_woken_by_its_lane_when_its_time_comes,
    orders_are_open_until_answered_and_unknown_when_due,
    receipts_come_when_due_and_stay_away_when_done,
    whoever_is_forgotten_keeps_no_other_of_an_order_from_being_read,
    a_follow_up_asked_for_meanwhile_stays,
    a_hold_comes_with_the_task,
    a_memo_is_kept_until_it_is_cleared,
    a_watch_is_due_on_its_day_and_outlives_whom_its_request_forgot,
    a_record_ends_with_what_is_its_alone,
    an_item_is_opened_once_per_subject_and_reason,
    each_leaf_gets_one_position_from_the_lanes_owner,
    an_entry_is_found_by_its_person_and_written_by_its_version,
    of_two_requests_of_one_person_the_second_waits_for_the_first,
    who_stands_on_the_list_is_found_among_a_vendors_people,
}
