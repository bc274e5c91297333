//! What every store has to do. A store runs the suite with `conformance_suite!(factory)`, where `factory` makes a
//! [`World`] around an empty store.

pub mod approvals;
pub mod discovered;
pub mod incoming;
pub mod leases;
pub mod outgoing;
pub mod revisions;
pub mod secrets;
pub mod states;
pub mod versions;

use std::sync::Arc;

use mailplumb::store::Store;

/// One store, and the way to open it once more as another process would.
pub struct World {
    pub store: Arc<dyn Store>,
    pub again: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
    /// How many octets of messages it keeps.
    pub bytes: Box<dyn Fn() -> u64 + Send + Sync>,
}

macro_rules! conformance_suite {
    ($factory:path) => {
        conformance_suite!(@ $factory, leases:
            a_free_lease_is_granted_and_a_held_one_is_not,
            the_same_holder_is_granted_its_lease_again,
            an_expired_lease_changes_hands_with_a_higher_fence,
            a_released_lease_is_free_at_once,
            a_dead_process_of_this_host_is_taken_over_from,
            a_living_process_of_this_host_is_not_taken_over_from,
            a_holder_whose_lease_was_taken_over_cannot_write,
            a_released_lease_allows_no_write,
            giving_back_somebody_elses_lease_changes_nothing,
            renewing_moves_the_expiry,
            a_lease_on_one_mailbox_allows_no_write_to_another,
            leases_on_different_scopes_are_independent,
        );
        conformance_suite!(@ $factory, revisions:
            a_new_store_is_at_revision_zero_and_keeps_its_id,
            what_was_applied_is_read_back,
            a_plan_from_before_the_store_is_good_for_its_first_revision_only,
            a_stale_plan_changes_nothing,
            a_plan_for_another_store_changes_nothing,
            a_plan_that_fails_in_its_last_step_changes_nothing,
            a_ciphertext_other_than_the_planned_one_is_refused,
            what_is_deleted_is_gone,
            a_profile_that_a_mailbox_uses_cannot_be_deleted,
            a_rename_keeps_everything_that_belongs_to_the_mailbox,
            two_mailboxes_may_swap_their_names,
            a_deleted_mailbox_frees_its_name_in_the_same_plan,
            a_deleted_mailbox_keeps_its_records_under_its_name,
            a_replay_forgets_the_cursor_and_sets_the_moment,
            what_was_to_be_removed_stays_once_removal_is_switched_off,
            a_changed_connection_takes_the_mailbox_out_of_its_workers_hands,
            an_unchanged_connection_leaves_the_worker_alone,
            a_state_that_the_commit_leaves_out_stays,
        );
        conformance_suite!(@ $factory, discovered:
            the_last_finding_of_a_mailbox_is_kept_and_goes_with_it,
        );
        conformance_suite!(@ $factory, approvals:
            the_last_decision_about_a_mailbox_counts,
            decisions_are_all_noted_or_none,
            a_rejected_mailbox_is_off_at_once_also_for_whoever_works_on_it,
            a_plan_from_before_a_decision_changes_nothing,
            an_approval_follows_a_rename_and_goes_with_the_mailbox,
        );
        conformance_suite!(@ $factory, secrets:
            a_bundle_is_kept_as_long_as_a_secret_is_in_it,
            what_stands_for_an_earlier_ciphertext_is_read_back,
            digests_of_values_are_forgotten_with_their_key,
        );
        conformance_suite!(@ $factory, states:
            a_state_change_is_read_back_with_its_moments,
            an_unchanged_state_keeps_its_moment,
            process_from_is_set_once,
            footings_follow_every_change,
            alerts_are_listed_newest_first,
            a_self_message_is_recognised_by_its_nonce,
            figures_count_what_is_there,
        );
        conformance_suite!(@ $factory, versions:
            a_pending_change_keeps_what_works,
            a_second_change_keeps_the_version_that_works_and_not_the_one_that_waited,
            a_switch_is_one_write_with_its_inbox,
            a_failed_test_of_a_change_is_read_back_and_proves_nothing,
            what_two_work_with_is_kept_until_neither_does,
            what_works_outlives_the_deletion_of_its_profile_and_secret,
            what_is_switched_off_or_deleted_keeps_no_version,
            whoever_works_as_a_former_address_stops_when_another_mailbox_gets_it,
            a_change_is_not_pending_without_a_version_that_works,
        );
        conformance_suite!(@ $factory, incoming:
            records_and_cursor_are_written_together,
            a_batch_that_fails_leaves_cursor_and_records_as_they_were,
            another_inbox_begins_anew_and_loses_no_record,
            the_same_octets_are_recorded_once_for_each_mailbox,
            a_message_without_octets_is_known_by_its_remote_id,
            a_message_that_arrives_in_pieces_is_stored_whole,
            a_message_of_another_mailbox_is_a_duplicate_by_its_message_id,
            what_a_server_owes_is_remembered_until_it_is_answered,
            a_cursor_does_not_go_back_within_one_validity,
            another_validity_replaces_the_cursor_and_its_deletions,
            a_pop3_cursor_is_what_was_seen_and_is_not_gone,
            the_size_of_a_message_that_is_known_all_the_same_is_not_relied_upon,
            what_an_inbox_looked_like_is_kept_with_its_cursor,
            an_attachment_that_many_messages_carry_is_stored_once,
            a_message_id_says_nothing_about_the_content,
            a_deletion_waits_until_it_is_confirmed,
            what_is_about_to_be_removed_leaves_the_cursor,
            lists_are_newest_first_and_bounded,
            many_writers_lose_nothing,
            twenty_thousand_records_are_written_and_listed,
        );
        conformance_suite!(@ $factory, outgoing:
            a_queued_message_is_read_back_with_its_octets,
            the_same_key_queues_once_for_each_mailbox,
            a_message_for_an_unknown_mailbox_is_refused,
            only_messages_whose_time_has_come_are_due,
            an_attempt_begins_only_from_pending_and_ends_only_from_sending,
            an_outcome_is_read_back,
            an_outcome_about_other_recipients_is_refused,
            an_attempt_that_died_is_ended_by_the_next_holder_of_the_lease,
            whoever_began_an_attempt_may_say_how_it_ended,
            only_recipients_who_did_not_get_it_are_tried_again,
            nobody_decides_about_what_has_changed_since,
            who_it_arrived_with_is_not_sent_it_again,
            a_deleted_mailbox_gives_up_its_outbox,
        );
    };
    (@ $factory:path, $module:ident: $($rule:ident),* $(,)?) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $rule() {
                    let (world, _folder) = $factory();
                    crate::store::conformance::$module::$rule(&world).await;
                }
            )*
        }
    };
}

pub(crate) use conformance_suite;
