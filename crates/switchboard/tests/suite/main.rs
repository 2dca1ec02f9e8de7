//! The behaviour of the reactor, case by case, on every driver.
//!
//! A case is a `pub fn name(world: &mut World)` in the file of its topic; the list below names it
//! once, and the macro makes a test of it for each driver.
//!
//! Length: the list of all cases in one place, a line for each.

use std::process::ExitCode;

use switchboard_partners::Suite;

use drivers::Driver;
use world::World;

mod answers;
mod attempts;
mod bytes;
mod certificates;
#[cfg(unix)]
mod children;
mod closing;
mod connecting;
mod datagram_bounds;
mod datagrams;
mod directory;
mod drivers;
mod embedding;
mod ending;
mod fairness;
mod file_errors;
mod files;
mod framing;
mod handing_over;
mod handshakes;
mod jobs;
mod lanes;
mod limits;
mod listening;
mod located;
mod names;
mod outboxes;
mod panics;
mod partial;
mod peers;
#[cfg(unix)]
mod pipes;
mod probe;
#[cfg(unix)]
mod process_pipes;
mod reading;
mod reasons;
mod remotes;
mod secured;
mod sending;
mod shutting_down;
#[cfg(unix)]
mod signals;
mod timing;
mod tokens;
mod transfers;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_datagrams;
#[cfg(unix)]
mod unix_descriptors;
mod unread;
mod upgrades;
mod waiting;
#[cfg(unix)]
mod watching;
mod withheld;
mod world;
mod writing;

/// Makes a test of each case for each driver: those of `everywhere` for all, those of
/// `with_a_system` for the drivers of an operating system. Where io_uring does not work, its tests
/// say so. What is marked with a system's name is for that one.
macro_rules! suite {
    (
        everywhere: $($(#[$of:meta])? $topic:ident $cases:tt)* ;
        with_a_system: $($(#[$its:meta])? $of_system:ident $its_cases:tt)*
    ) => {
        fn main() -> ExitCode {
            located::keep_quiet();
            let mut suite = Suite::new();
            for &driver in Driver::ALL {
                let works = driver.works();
                suite!(add to suite, driver, works: $($(#[$of])? $topic $cases)*);
                if driver.has_a_system() {
                    suite!(add to suite, driver, works: $($(#[$its])? $of_system $its_cases)*);
                }
            }
            suite.run()
        }
    };
    (
        add to $suite:ident, $driver:ident, $works:ident:
        $($(#[$of:meta])? $topic:ident { $($(#[$only:meta])? $case:ident)* })*
    ) => {
        $($(#[$of])? {
            $($(#[$only])? {
                let name = concat!(stringify!($topic), "::", stringify!($case));
                let driver = $driver;
                $suite = $suite.when($works.clone(), format!("{driver}::{name}"), move || {
                    located::run(|| $topic::$case(&mut World::new(driver)));
                });
            })*
        })*
    };
}

suite! {
    everywhere:
    reading {
        recv_takes_no_more_than_it_asks_for_and_is_called_again_for_the_rest
        what_is_not_consumed_is_offered_with_the_next_bytes
        again_after_consuming_calls_at_once
        again_without_consuming_calls_in_the_next_tick
        paused_bytes_are_kept_and_offered_when_resumed
        a_pause_inside_handle_read_stops_the_portions
        a_source_that_resumes_in_its_own_timer_is_offered_what_it_left
        more_bytes_than_one_tick_may_read_are_all_read
        bytes_beyond_a_tiny_inbox_are_all_read
        data_that_comes_with_the_end_is_read_first
        data_that_comes_with_the_end_passes_a_tiny_inbox
        the_end_comes_after_all_portions
        an_unread_rest_is_visible_at_the_end
        a_paused_source_learns_of_the_end_when_resumed
        bytes_kept_in_a_pause_come_before_the_end
        a_replaced_handler_leaves_its_unread_bytes_to_the_next
        after_our_side_has_stopped_reading_nothing_more_comes
    }
    unread {
        a_full_inbox_makes_the_peer_wait_until_there_is_room
        a_full_inbox_that_stays_untouched_closes_the_source
        the_first_read_keeps_to_the_inbox_limit
        the_inbox_limit_holds_for_connections_that_connect
        a_pause_that_ends_within_the_call_offers_what_is_unread
        reading_goes_on_after_a_pause_with_a_full_inbox
        reading_goes_on_when_a_timer_empties_a_full_inbox
        reading_goes_on_when_small_portions_let_the_inbox_fill_up
        a_source_closed_with_a_full_inbox_sees_the_end_of_its_peer
        all_inboxes_together_keep_to_the_bound
        a_full_inbox_that_stays_untouched_after_a_pause_closes_the_source
    }
    writing {
        megabytes_reach_a_slow_reader_whole_and_in_order
        small_sends_keep_their_order
        shared_and_copied_bytes_keep_their_order
        a_send_to_another_source_arrives
        an_empty_send_is_nothing
        what_is_forwarded_arrives_whole_at_a_slow_reader
        a_send_before_the_forwarded_bytes_stays_before_them
        a_send_after_the_forwarded_bytes_stays_after_them
        bytes_can_be_forwarded_to_two_sources
        backpressure_stops_reading_from_a_peer_that_does_not_read
        without_backpressure_reading_goes_on
        shared_bytes_reach_many_and_are_counted_for_each
    }
    outboxes {
        a_full_outbox_takes_nothing_and_handle_write_comes_once_at_low
        handle_write_comes_after_rising_above_low_without_a_refusal
        a_handler_that_fills_up_in_handle_write_sends_all
        a_message_above_the_high_watermark_is_too_large
        the_disconnect_policy_closes_a_slow_consumer
        drop_oldest_drops_whole_sends_and_keeps_the_newest
        drop_oldest_keeps_the_rest_of_a_message_that_was_forwarded_in_part
        a_lowered_high_watermark_leaves_what_is_there
        all_outboxes_together_keep_to_the_bound
        the_bound_on_all_buffers_does_not_make_the_loop_spin
        all_that_were_refused_are_told_when_others_have_drained
        a_message_above_the_bound_on_all_buffers_is_too_large
        sending_to_a_listener_is_the_wrong_kind
        a_peer_that_has_finished_and_does_not_read_lets_the_loop_sleep
    }
    closing {
        close_sends_what_is_in_the_outbox_first
        the_last_words_reach_a_peer_that_is_still_sending
        a_close_that_the_peer_ignores_ends_at_its_deadline
        a_peer_that_never_finishes_does_not_hold_a_close_beyond_its_deadline
        abort_does_not_wait_for_the_outbox
        nothing_is_read_after_close
        sending_after_close_is_stale
        the_default_answer_to_the_end_closes_after_the_outbox
        a_handler_may_go_on_writing_after_the_end
        shutting_down_our_side_lets_the_peer_go_on
        both_sides_finished_is_the_end
        a_reset_is_an_io_close
        a_reset_while_sending_is_an_io_close
        a_reset_while_flushing_says_so
        closing_twice_is_closing_once
    }
    ending {
        handle_close_comes_once_and_last_in_every_way_of_ending
        an_error_closes_its_source_alone
        an_error_sends_what_was_sent_before_it
        an_error_in_handle_accepted_drops_that_connection_alone
        an_event_without_its_method_is_an_error
        a_source_closed_by_its_neighbour_in_the_same_batch_hears_nothing_more
        a_source_can_close_another_from_handle_close
        dropping_the_reactor_ends_each_source_once
        handle_close_of_a_dropped_reactor_can_register_nothing
        a_listener_made_and_closed_in_handle_write_is_gone
        a_handler_replaced_in_its_last_calls_reaches_no_other_source
        a_late_abort_does_not_hide_why_a_source_ended
    }
    panics {
        a_panic_closes_its_source_alone_in_each_method
        a_panic_between_the_messages_of_others_ends_its_source_alone
        what_a_handler_did_for_others_before_it_panicked_stays_done
        a_panic_in_handle_close_is_contained
        a_panic_in_handle_error_is_contained
        a_panic_in_a_posted_closure_is_contained
        a_panic_in_a_timer_closure_is_contained
        a_panic_while_a_handler_is_dropped_is_contained
        a_panic_while_a_replaced_handler_is_dropped_is_contained
        a_panic_while_the_value_of_a_job_is_dropped_is_contained
        a_panic_in_handle_accepted_closes_the_listener_alone
        on_panic_stop_ends_the_loop_with_the_message
    }
    tokens {
        a_stale_token_never_reaches_the_next_source_in_its_slot
        a_stale_token_is_refused_by_every_call
        a_source_can_close_itself_inside_its_callback
        events_of_a_closed_source_do_not_reach_the_next_one_in_its_slot
    }
    listening {
        at_the_bound_on_sources_new_connections_wait_for_one_to_end
        a_connection_that_waits_for_a_slot_may_wait_long
        a_listener_waits_too_when_another_source_took_the_last_slot
        a_listener_in_the_last_slot_accepts_nothing
        localhost_is_every_loopback_address_on_one_port_under_one_token
        a_port_that_is_taken_is_an_error
        all_ipv6_addresses_leave_the_ipv4_port_free
        a_running_loop_can_listen
        a_running_loop_that_cannot_listen_is_told_why
        a_listener_that_was_closed_before_it_was_there_accepts_nothing
        a_burst_of_connections_is_accepted_over_several_ticks
        the_bounds_of_a_connection_do_not_fit_a_listener
    }
    timing {
        an_idle_connection_is_closed_and_a_busy_one_is_not
        forwarded_bytes_keep_their_target_from_being_idle
        an_interval_keeps_its_id_until_it_is_cancelled_in_its_own_call
        a_timer_is_called_once_and_never_early
        any_source_can_be_given_a_timer
        timers_end_with_their_source
        timers_come_in_the_order_of_their_deadlines
        a_closure_for_later_can_be_cancelled
        timers_without_delay_do_not_hold_a_tick
        timers_beyond_the_bound_are_refused
        a_source_that_no_timer_is_left_for_ends
    }
    embedding {
        the_next_timeout_is_that_of_the_next_thing_to_do
    }
    connecting {
        what_is_sent_before_the_connection_is_there_goes_out_first
        a_refused_connection_says_so
        the_deadline_ends_with_the_attempt
        localhost_finds_a_server_of_either_family
        a_malformed_address_is_an_error_at_once
        what_is_asked_and_taken_back_in_one_call_only_ends
        a_pause_before_the_connection_is_there_holds
        a_pause_does_not_stop_the_attempt
        our_side_can_be_shut_down_before_the_connection_is_there
        what_is_sent_before_a_close_goes_out_once_connected
        what_is_forwarded_before_a_close_goes_out_once_connected
        handle_close_can_connect_again
        a_connection_that_is_made_can_be_idle_for_too_long
    }
    jobs {
        a_job_that_panics_is_an_error_of_its_value
        a_value_of_another_type_is_an_error
        a_source_that_has_ended_can_offload_nothing
    }
    lanes {
        jobs_of_a_lane_run_one_after_the_other_in_order
        a_panic_in_a_job_of_a_lane_is_its_result_alone
        a_full_lane_refuses_and_the_others_do_not
        lanes_beyond_the_bound_and_those_of_others_are_refused
        a_shutdown_waits_for_the_jobs_of_lanes
        a_reactor_is_not_done_while_a_lane_has_jobs
    }
    #[cfg(unix)]
    signals {
        a_signal_is_told_with_its_number
        a_signal_that_came_twice_before_the_tick_is_told_once
        each_signal_of_a_set_is_told
        a_signal_that_cannot_be_caught_is_an_error
        a_pause_does_not_hold_a_signal_back
        the_usual_signals_are_all_told
    }
    remotes {
        a_full_queue_gives_the_closure_back
        a_closure_that_posts_itself_does_not_hold_the_loop
        a_reactor_that_is_gone_takes_no_posts
    }
    shutting_down {
        listeners_close_at_once_and_outboxes_are_sent_first
        a_shutdown_ends_at_its_deadline
        a_second_shutdown_changes_nothing
        an_abort_waits_for_nothing
        an_abort_ends_a_shutdown_that_waits
        a_handler_can_stop_the_reactor
        a_source_that_was_closing_keeps_its_reason
    }
    reasons {
        a_panic_after_close_in_the_same_call_is_the_reason
        an_abort_of_the_reactor_that_loses_bytes_is_the_reason
        an_abort_of_the_reactor_that_loses_nothing_is_not
        a_reset_that_loses_bytes_is_the_reason
        an_abort_of_a_closing_source_is_the_reason_if_bytes_are_lost
        an_idle_peer_holds_a_shutdown_no_longer_than_a_close
    }
    sending {
        what_a_failed_call_forwarded_goes_out_before_the_words_of_handle_error
        drop_oldest_drops_small_shared_messages_whole
        after_our_side_is_shut_down_nothing_can_be_sent
        sends_to_two_sources_in_turn_keep_their_order
        many_small_sends_of_one_tick_to_many_sources_arrive
        what_an_aborted_source_has_sent_in_the_same_tick_is_not_kept
        what_a_handle_close_sends_goes_behind_what_was_sent_before
    }
    attempts {
        what_is_sent_before_a_close_in_the_same_call_is_delivered
        a_connect_that_fails_after_a_close_says_so_if_bytes_are_lost
        the_reading_side_of_no_connection_yet_cannot_be_shut_down
        a_pause_does_not_hide_that_nobody_listens
        addresses_that_all_refuse_are_one_failure
    }
    names {
        what_needs_no_look_up_is_told_in_a_call_of_its_own
        a_name_is_told_with_the_port_that_was_asked_for
        a_name_that_nobody_has_is_an_error_of_its_value
        a_source_that_is_closing_has_nothing_looked_up
        a_source_that_ends_does_not_hear_of_its_name
    }
    fairness {
        what_a_tick_has_no_time_for_comes_first_in_the_next_and_loses_nothing
    }
    waiting {
        our_half_close_does_not_overtake_unread_bytes
        unread_bytes_that_fill_the_bound_for_all_end_their_source
        a_pause_does_not_undo_a_close
        a_lowered_inbox_limit_gives_a_last_chance
        a_listener_that_takes_the_last_slot_accepts_nobody
        a_panic_after_an_abort_is_told
    }
    partial {
        a_partial_line_asks_for_no_further_turn
        bounds_that_are_set_over_unread_bytes_hold_for_both
        questions_left_for_want_of_room_are_offered_again
        questions_left_for_want_of_room_are_answered_before_the_end
    }
    answers {
        the_end_is_told_once_while_the_answer_to_it_goes_out
        one_that_asks_without_waiting_gets_all_answers
    }
    handing_over {
        a_source_can_be_registered_with_a_timer
    }
    limits {
        a_message_that_trickles_in_is_not_waited_for
        setting_the_same_deadline_again_puts_nothing_off
        messages_that_are_finished_in_time_may_come_for_ever
        unread_bytes_in_a_pause_are_not_the_peers_fault
        what_stays_unread_after_the_end_is_not_waited_for
        a_peer_that_takes_nothing_is_not_waited_for
        a_peer_that_takes_a_little_is_waited_for
        after_close_only_the_deadline_of_closing_counts
        a_read_rate_holds_at_every_moment
        setting_the_same_rate_again_is_no_rest
        a_rate_that_is_taken_away_holds_nobody_up
        a_source_that_waits_for_its_rate_can_be_closed
        a_source_at_its_rate_is_not_blamed_for_an_unfinished_message
        a_rate_without_a_timer_left_ends_its_source
        a_listener_accepts_no_more_than_its_rate
        an_accept_rate_is_for_listeners
        limits_are_told_as_they_were_set
    }
    files {
        what_is_asked_of_a_file_is_done_in_that_order
        all_can_be_asked_before_the_file_is_open
        a_read_ends_where_the_file_does
        what_is_written_replaces_what_was_there_and_a_gap_reads_as_zeros
        a_file_is_made_anew_or_emptied_if_that_was_asked
        large_writes_and_reads_are_whole
        two_sources_append_to_one_file
        files_go_on_side_by_side
        a_closed_file_is_stale
        a_file_is_closed_with_the_source_that_opened_it
        what_a_source_has_asked_is_done_though_it_has_ended
        a_shutdown_waits_for_what_was_asked
        a_reactor_that_is_dropped_leaves_a_beginning
    }
    transfers {
        a_copy_is_whole
        a_copy_goes_behind_the_end_of_what_is_appended_to
        a_copy_that_fails_says_why_once
        a_copy_ends_with_the_source_that_asked
        a_file_that_is_not_there_is_closed_after_its_copy_has_failed
        a_file_is_sent_to_a_peer_that_reads_slowly
        a_part_of_a_file_is_sent
        what_lies_behind_the_end_of_a_file_is_nothing_to_send
        a_file_is_sent_by_a_connection_with_a_small_outbox
        who_has_no_connection_sends_no_file
    }
    file_errors {
        a_file_that_cannot_be_opened_is_an_error_for_all_that_was_asked
        a_file_that_is_not_opened_for_it_cannot_be_written_or_read
        what_makes_no_sense_is_an_error_at_once
        bytes_beyond_the_bound_are_refused
        files_beyond_the_bound_are_refused
        jobs_of_files_count_with_the_others
    }
    framing {
        lines_are_frames_however_they_are_cut
        a_stream_that_comes_byte_by_byte_is_the_same_frames
        a_frame_in_one_piece_is_lent_from_where_it_lies
        a_frame_sent_is_the_same_frame_received
        a_terminator_can_be_changed_from_within_handle_frame
        a_terminator_changed_by_a_timer_finds_what_has_come_already
        a_frame_may_be_longer_than_the_inbox_was_allowed_to_be
        a_frame_beyond_the_maximum_ends_its_source
        frames_wait_while_reading_is_paused
        frames_wait_for_a_peer_that_does_not_read
        frames_that_had_to_wait_come_before_the_end
        the_rest_of_a_burst_waits_for_the_next_tick
        the_last_line_comes_before_the_end
        an_unfinished_frame_is_an_error_at_the_end
        what_is_behind_a_frame_goes_to_the_handler_that_takes_over
        after_close_no_frame_comes
        what_is_asked_of_a_file_is_told_too
    }
    datagrams {
        a_datagram_comes_whole_with_its_sender_and_can_be_answered
        an_empty_datagram_is_one
        a_datagram_that_is_longer_than_wanted_says_that_it_is_cut
        many_datagrams_keep_their_boundaries_and_their_order
        a_flood_lets_others_have_their_turn
        what_is_left_of_a_batch_in_a_pause_comes_when_it_is_resumed
        a_socket_closed_by_its_handler_hears_nothing_more
        an_error_of_the_handler_ends_with_its_datagram
        a_panic_of_the_handler_closes_the_socket
        a_handler_without_the_method_is_told_so
        a_datagram_that_is_too_long_is_refused_at_once
        a_datagram_that_cannot_be_sent_is_told_and_the_others_go_out
        one_that_answers_every_failure_with_another_does_not_hold_the_loop
        what_is_sent_before_a_close_goes_out
        what_is_sent_before_the_socket_is_bound_goes_out_first
        a_port_that_is_taken_ends_the_source
        a_connected_socket_speaks_to_its_peer_alone
        a_refusal_is_told_and_the_socket_goes_on
        a_shutdown_sends_what_waits
        datagrams_are_for_datagram_sockets_only
    }
    datagram_bounds {
        a_full_outbox_refuses_the_newest_and_tells_of_room
        a_full_outbox_can_drop_the_oldest
        a_full_outbox_can_close_the_socket
        all_outboxes_together_keep_to_the_bound_with_datagrams
    }
    ;

    // What they are about, or the means that they use, only an operating system has: descriptors,
    // threads, sockets that nobody answers.
    with_a_system:
    closing {
        a_forward_that_fails_after_close_says_so
    }
    listening {
        a_paused_listener_leaves_connections_in_the_queue
        a_listener_that_others_have_too_goes_on_without_us
        a_connection_that_comes_in_a_pause_is_for_others_too
    }
    embedding {
        #[cfg(unix)]
        the_descriptor_tells_that_bytes_have_come
        #[cfg(unix)]
        a_descriptor_that_is_asked_for_late_tells_of_what_has_come
        #[cfg(unix)]
        a_watched_descriptor_that_stays_ready_is_told_again
        a_turn_sleeps_no_longer_than_it_may
        #[cfg(unix)]
        what_a_tick_has_left_over_asks_for_the_next_one
        #[cfg(unix)]
        a_reactor_can_be_watched_by_another_one
    }
    connecting {
        the_loop_goes_on_while_an_unknown_name_is_looked_up
        an_unanswered_connection_ends_at_its_deadline
        a_connection_that_is_closed_before_it_is_there_only_ends
        a_connection_that_takes_long_is_as_good_as_any
    }
    jobs {
        values_come_back_under_the_ids_of_their_jobs
        the_value_for_a_source_that_is_gone_is_dropped
        jobs_beyond_the_bound_are_refused
        two_jobs_run_at_the_same_time
        the_loop_goes_on_while_a_job_runs
    }
    lanes {
        lanes_and_the_pool_do_not_wait_for_each_other
        a_lane_has_one_thread_of_its_name
        dropping_the_reactor_waits_for_the_job_that_runs_and_begins_none
        a_lane_that_stands_still_ends_no_shutdown_late
    }
    remotes {
        the_posts_of_many_threads_all_run_in_their_order
        a_closure_that_came_back_very_often_still_runs
        a_post_wakes_a_reactor_that_sleeps
        a_reactor_is_done_when_its_last_remote_is_gone
        the_end_of_the_last_remote_wakes_a_reactor_that_sleeps
    }
    #[cfg(unix)]
    children {
        a_process_that_ends_is_told_with_its_code
        a_process_that_a_signal_has_ended_is_told_with_it
        a_process_that_ignores_a_signal_goes_on_until_it_is_killed
        a_program_that_is_not_there_is_named
        a_directory_that_is_not_there_is_named
        pipes_that_nobody_has_are_an_error
        many_processes_at_once_are_each_told
        a_process_lives_on_when_its_source_is_closed_and_leaves_no_zombie
        a_process_can_be_killed_when_its_source_is_closed
        a_dropped_reactor_leaves_no_zombie
        a_shutdown_does_not_wait_for_processes
        the_end_of_a_process_does_not_wait_for_a_pause_to_end
        an_end_that_nobody_handles_is_an_error
        only_a_process_that_runs_can_be_signalled
        who_catches_sigchld_hears_of_it_too
        a_handler_can_start_the_next_process
        a_process_has_no_descriptors_of_ours
        the_pipes_of_a_process_end_with_it
    }
    #[cfg(unix)]
    process_pipes {
        what_a_process_is_sent_comes_back_until_its_input_is_closed
        much_goes_both_ways_at_once_within_the_bounds
        a_process_whose_output_is_not_read_waits_and_so_does_the_loop
        a_process_that_does_not_read_leaves_it_in_a_bounded_outbox
        a_process_may_close_its_output_and_live_on
        a_process_may_end_before_what_it_has_started
        a_process_that_reads_no_more_breaks_the_pipe
        a_process_that_writes_on_is_ended_when_its_output_is_closed
        both_outputs_of_a_process_are_told_apart
        a_program_that_is_not_there_ends_its_pipes
        a_pipe_goes_one_way
        a_hundred_processes_echo_at_once
        a_dropped_reactor_closes_the_pipes_of_its_processes
    }
    #[cfg(unix)]
    watching {
        a_pipe_is_told_until_it_is_empty_and_again_at_its_end
        a_regular_file_is_always_ready
        a_paused_watch_is_silent_until_it_is_resumed
        what_was_taken_in_a_pause_is_not_told_after_it
        a_descriptor_is_told_while_it_can_be_written
        a_descriptor_can_be_watched_for_both
        the_descriptor_is_closed_when_the_source_ends
        a_watch_that_has_ended_is_silent_though_a_duplicate_lives
        watching_one_descriptor_twice_ends_the_second_watch
    }
    shutting_down {
        #[cfg(unix)]
        nothing_new_is_taken_in_a_shutdown
        #[cfg(unix)]
        watches_and_signals_live_until_the_connections_are_gone
        #[cfg(unix)]
        a_reactor_without_connections_shuts_down_in_one_turn
        a_shutdown_from_another_thread_wakes_the_reactor
    }
    sending {
        #[cfg(unix)]
        many_small_strings_go_out_together_and_in_order
    }
    #[cfg(unix)]
    pipes {
        a_pipe_is_read_to_its_end
        megabytes_come_through_a_pipe_whole
        a_pipe_is_written_as_its_reader_reads
        shutting_down_what_is_only_written_closes_it
        a_reader_that_goes_away_is_told
        what_is_not_read_is_for_others
        reading_can_be_shut_down
        a_fifo_and_a_file_are_streams
        a_fifo_whose_writer_has_gone_already_has_an_end
        what_comes_behind_the_end_is_for_others
        both_ends_of_a_terminal_are_streams
    }
    #[cfg(unix)]
    unix {
        a_path_is_listened_on_and_its_file_goes_with_the_listener
        an_abstract_name_leaves_no_file
        what_is_sent_before_the_connection_is_there_goes_out_first
        where_nobody_listens_the_connection_fails
        a_full_queue_is_tried_again_until_there_is_room
        a_full_queue_ends_at_the_deadline
        a_path_that_somebody_listens_on_is_in_use
        a_file_left_behind_is_replaced
        a_file_that_is_no_socket_stays
        a_file_in_the_place_of_ours_stays
        a_running_loop_can_listen
        the_peer_is_known
        megabytes_reach_a_slow_reader_whole_and_in_order
        both_sides_end_one_after_the_other
    }
    #[cfg(unix)]
    unix_datagrams {
        a_datagram_comes_whole_with_the_name_of_its_sender
        abstract_names_and_none
        who_is_not_there_is_told_and_the_socket_goes_on
        a_receiver_without_room_stops_nobody_else
        a_connected_socket_waits_for_room
        a_name_that_somebody_has_is_in_use
    }
    #[cfg(unix)]
    unix_descriptors {
        descriptors_come_with_the_first_byte_of_their_message
        descriptors_keep_their_place_between_megabytes
        they_are_closed_on_exec
        what_is_not_taken_is_closed_with_its_source
        more_than_the_limit_end_the_source
        more_than_the_limit_are_not_taken_for_sending
        a_source_that_was_not_asked_gets_the_bytes_alone
        a_connection_of_ours_carries_them_too
        what_cannot_carry_them_says_so
        a_listener_travels_to_another_reactor
    }
    attempts {
        an_address_that_never_answers_leaves_time_for_the_next
        an_address_that_never_answers_costs_the_delay
    }
    fairness {
        jobs_that_never_end_let_timers_and_connections_have_their_turn
    }
    datagrams {
        a_group_on_the_loopback_interface_gets_what_is_sent_to_it
        a_broadcast_has_to_be_allowed
        a_socket_of_the_standard_library_can_be_registered
    }
    file_errors {
        #[cfg(unix)]
        a_directory_or_a_pipe_is_no_file
        #[cfg(unix)]
        a_full_disk_is_an_error
        #[cfg(unix)]
        permissions_are_those_of_the_system
    }
    handing_over {
        #[cfg(unix)]
        a_panic_of_a_descriptor_that_cannot_be_watched_is_contained
        jobs_that_no_thread_has_begun_are_dropped_with_the_reactor
    }
    secured {
        an_echo_is_as_without_it
        an_old_version_works_too
        megabytes_go_both_ways_at_once
        a_half_close_lets_the_other_side_go_on
        a_close_says_so_first
        the_answer_to_the_end_of_the_peer_says_so_too
        an_abort_does_not
        a_connection_that_is_cut_is_told_from_one_that_ends
        a_record_that_was_changed_on_its_way_ends_the_connection
        a_pause_holds_what_was_decrypted
        a_tiny_inbox_gets_all
        bytes_are_sent_on_from_tls_to_plain_and_back
        plain_bytes_are_sent_on_over_tls
        a_peer_that_does_not_read_holds_a_close_no_longer_than_its_deadline
        #[cfg(unix)]
        a_unix_socket_can_speak_it_too
        little_is_encrypted_ahead_of_a_peer_that_does_not_read
        bytes_that_are_lost_by_a_close_are_the_reason
        a_handler_of_frames_hears_of_it_as_well
    }
    withheld {
        a_failure_is_told_to_who_waits_for_room
        a_failure_is_told_though_all_is_encrypted
    }
    handshakes {
        a_handshake_that_comes_byte_by_byte_is_as_good_as_any
        a_handshake_that_is_cut_anywhere_ends_the_connection
        a_message_in_tiny_pieces_is_not_waited_for
        who_does_not_speak_tls_is_told_so
        a_client_that_is_silent_ends_at_the_deadline
        a_server_that_is_silent_ends_at_the_deadline
        a_handshake_that_is_done_has_no_deadline
        a_pause_does_not_stop_a_handshake
        a_half_close_waits_for_the_handshake
        who_wants_to_hear_nothing_shakes_hands_all_the_same
        who_trusts_another_authority_does_not_connect
        who_expects_another_name_does_not_connect
        an_address_can_be_expected_too
        without_a_protocol_in_common_nothing_comes_of_it
        a_client_must_show_the_certificate_that_is_required
        a_certificate_that_is_optional_need_not_be_shown
        any_certificate_of_a_client_is_taken_and_shown
        a_session_is_resumed
        the_name_that_is_asked_for_chooses_the_certificate
        a_choice_that_panics_ends_its_connection_alone
        certificates_change_and_connections_stay
        nobody_to_expect_is_an_error
    }
    upgrades {
        what_was_sent_before_goes_out_as_it_is
        a_lot_that_was_sent_before_goes_out_first
        what_came_in_the_clear_is_never_heard_as_a_secret
        a_handshake_that_has_come_already_is_answered
        a_client_upgrades_too
        once_is_enough
        a_handler_can_be_replaced_by_one_that_knows_nothing_of_it
        what_came_in_the_clear_and_is_sent_back_afterwards_is_encrypted
        many_pieces_that_were_sent_before_all_go_out_first
        a_read_rate_holds_from_the_first_byte_on
    }
}
