//! Which test carries which row of the threat catalogue?
//!
//! A row is an id and what must come of it; behind it stand the tests that assert that. What belongs to a later protocol or transport is
//! said. A test checks that every test named here is there and carries the id of its row, and that no row of the catalogue is missing.

use std::{collections::BTreeSet, path::Path};

use crate::gate::{repository, shared};

/// One row.
struct Row {
    id: &'static str,
    /// What must come of it, short.
    due: &'static str,
    /// `file::test`.
    tests: &'static [&'static str],
    /// What of it is not here yet, and where it belongs.
    later: &'static str,
}

const fn row(id: &'static str, due: &'static str, tests: &'static [&'static str]) -> Row {
    Row { id, due, tests, later: "" }
}

/// The published vectors at the running gate, whole, at every cut, byte by byte; and over TLS.
const GATE: &str = "tests/vectors.rs::every_cut_of_a_peers_bytes_comes_to_one_verdict";
const GATE_TLS: &str = "tests/vectors.rs::vectors_come_to_the_same_over_tls";
const GATE_DEVICE: &str = "tests/vectors.rs::every_cut_of_a_devices_bytes_comes_to_one_verdict";
/// The same rows, and those without a published vector, in the halves.
const HALF: &str = "proto/src/modbus/vectors.rs::a_peers_bytes_come_to_the_same_whatever_the_cuts";
const HALF_DEVICE: &str = "proto/src/modbus/vectors.rs::a_devices_bytes_come_to_the_same_whatever_the_cuts";
/// Rows without a published vector at the running gate.
const MORE: &str = "tests/modbus/hostile.rs::mb_04_and_the_other_rows_without_a_vector";
const LIES: &str = "tests/modbus/hostile.rs::gen_08_no_lie_of_a_device_reaches_a_peer";
/// The published vectors of IEC 104 at the running gate, judged at the station's socket, and the same rows in the halves.
const STATION: &str = "tests/telecontrol/vectors.rs::every_cut_of_a_centres_bytes_comes_to_one_verdict";
const HALF_104: &str = "proto/src/iec104/vectors.rs::a_centres_bytes_come_to_the_same_whatever_the_cuts";
/// Frames that sever, on either side.
const CENTRE_BREAKS: &str = "tests/telecontrol/rows.rs::broken_frames_of_a_centre_end_the_session";
const REFUSED_104: &str = "tests/telecontrol/policy.rs::a_refusal_is_the_commands_own_image";
const NO_RTU: &str = "tests/modbus/framing.rs::mb_32_what_is_no_rtu_request_severs";

const ROWS: &[Row] = &[
    row(
        "GEN-01",
        "one verdict whatever the cuts; nothing forwarded before it",
        &[
            GATE,
            HALF,
            HALF_DEVICE,
            "gateway/src/engine/tests/path.rs::gen_01_a_stream_cut_anywhere_means_the_same",
            "gateway/src/engine/tests/path.rs::gen_01_what_came_whole_before_broken_framing_leaves_however_the_stream_is_cut",
            "tests/modbus/framing.rs::gen_01_an_rtu_request_means_the_same_however_it_is_cut",
            "tests/modbus/framing.rs::gen_01_answers_mean_the_same_however_they_are_cut",
        ],
    ),
    row(
        "GEN-02",
        "each of several frames judged alone, in order, with a record of its own",
        &[
            "tests/modbus/hostile.rs::gen_02_each_frame_of_a_record_is_judged_alone",
            "gateway/src/engine/tests/path.rs::gen_02_refusals_wait_for_the_answers_before_them_and_never_leave",
            "tests/modbus/framing.rs::gen_01_an_rtu_request_means_the_same_however_it_is_cut",
        ],
    ),
    Row {
        id: "GEN-03",
        due: "over TLS records the same verdicts as over TCP",
        tests: &[GATE_TLS],
        later: "QUIC STREAM frames and out-of-order offsets come with tunnels",
    },
    row(
        "GEN-04",
        "a lie about the length is severed, and nothing is set aside for it",
        &["tests/modbus/hostile.rs::gen_04_a_claimed_length_costs_nothing", GATE, HALF],
    ),
    row(
        "GEN-05",
        "bytes behind the last item are refused; nothing leaves whose tail is another message",
        &[
            "proto/src/modbus/device/tests.rs::gen_05_nothing_leaves_over_rtu_whose_tail_is_a_request_of_its_own",
            "tests/modbus/framing.rs::gen_05_an_echo_does_not_smuggle_a_write_past_the_policy",
            MORE,
        ],
    ),
    row(
        "GEN-06",
        "a message ends within its deadline, from its first byte; others are served meanwhile",
        &[
            "tests/conduit.rs::half_a_message_ends_the_session",
            "tests/modbus/hostile.rs::gen_06_one_byte_now_and_then_ends_at_the_deadline_of_the_first",
            "tests/modbus/framing.rs::gen_06_half_an_rtu_request_ends_the_session",
        ],
    ),
    row(
        "GEN-07",
        "after a refusal: answer, silence or close; never a search for the next start",
        &["tests/modbus/hostile.rs::gen_07_what_follows_a_refusal_is_read_or_severed_never_searched", NO_RTU],
    ),
    row(
        "GEN-08",
        "what answers nothing is dropped and alarmed, and delivered to no other request",
        &[
            LIES,
            GATE_DEVICE,
            "tests/modbus/framing.rs::gen_08_a_line_that_lies_is_told_and_hung_up_on",
            "tests/modbus/framing.rs::gen_08_a_connection_that_owes_an_answer_is_not_used_again",
            "tests/modbus/line.rs::gen_08_an_answer_to_a_broadcast_is_nobodys",
            "tests/conduit.rs::a_late_answer_reaches_nobody",
            "gateway/src/engine/tests/hostile.rs::gen_08_a_device_that_only_talks_fills_no_journal_and_is_hung_up_on",
            "proto/src/modbus/device/tests.rs::gen_08_without_ids_a_connection_that_owes_an_answer_is_used_no_more",
        ],
    ),
    row(
        "GEN-09",
        "a request from the device and an answer from the peer are refused, and the former is alarmed",
        &["tests/modbus/hostile.rs::gen_09_who_speaks_the_others_part_is_not_heard"],
    ),
    row(
        "GEN-10",
        "reserved, vendor and unknown functions are refused, sub-functions too",
        &[
            "tests/modbus/functions.rs::every_function_is_refused_where_no_rule_names_it",
            "tests/modbus/keys.rs::mb_19_encapsulated_and_opaque_functions_pass_only_by_name",
            NO_RTU,
        ],
    ),
    Row {
        id: "GEN-11",
        due: "several groups or halves in one message are judged one by one, all or nothing",
        tests: &[MORE, "tests/modbus/hostile.rs::gen_12_a_range_is_allowed_whole_or_not_at_all"],
        later: "Modbus nests nothing; depth and fan-out come with CIP, OPC UA and MMS",
    },
    row(
        "GEN-12",
        "a range that wraps or lies partly outside is refused whole",
        &[
            "tests/modbus/hostile.rs::gen_12_a_range_is_allowed_whole_or_not_at_all",
            "proto/src/policy/judge.rs::gen_12_rules_cover_together_and_a_hole_refuses_all",
        ],
    ),
    row(
        "GEN-13",
        "limits of value and step; NaN, infinities, halves and the other word order refused",
        &[
            "tests/modbus/hostile.rs::gen_13_a_number_over_two_registers_is_judged_whole",
            "tests/modbus/line.rs::gen_13_a_broadcast_makes_every_units_value_unknown",
            "tests/modbus/line.rs::gen_13_what_is_written_under_one_name_of_a_device_is_unknown_under_the_others",
            "tests/modbus/line.rs::gen_13_after_what_may_change_anything_a_step_is_judged_by_a_new_read",
            "tests/captures/replay.rs::gen_13_what_the_capture_showed_before_a_restart_or_a_broadcast_is_not_known_after_it",
            "proto/src/policy/weigh.rs::gen_13_typed_elements_are_written_whole_and_finite",
            "proto/src/policy/weigh.rs::gen_13_halves_of_a_pair_from_two_rules_make_no_whole",
            "proto/src/policy/weigh.rs::gen_13_a_step_is_measured_against_what_the_device_holds",
            "gateway/src/engine/tests/hostile.rs::gen_13_a_read_that_a_write_overtook_makes_no_step_larger",
        ],
    ),
    row(
        "GEN-14",
        "past the outstanding ones nothing is read; memory stays flat within 1 MiB",
        &[
            "tests/modbus/hostile.rs::gen_14_a_million_unanswered_requests_are_not_read",
            "gateway/src/engine/tests/bounds.rs::gen_14_ten_thousand_unanswered_requests_are_not_kept",
            "gateway/src/engine/tests/hostile.rs::gen_14_sessions_that_ended_but_are_not_gone_are_bounded",
        ],
    ),
    row(
        "GEN-15",
        "what we allow as one thing no independent parser reads as another",
        &[
            "tests/differential.rs::gen_15_nobody_reads_what_we_let_through_as_something_else",
            "tests/modbus/hostile.rs::gen_15_a_bit_that_a_mask_keeps_and_sets_must_be_allowed_too",
            "tests/modbus/functions.rs::a_pymodbus_device_is_heard_through_the_gate_as_it_is_without",
            "proto/src/modbus/tests/idempotent.rs::gen_16_what_is_read_is_written_as_it_came",
        ],
    ),
    row(
        "GEN-16",
        "read, write, read is the same; what is canonical is written as it came",
        &["proto/src/modbus/tests/idempotent.rs::gen_16_what_is_read_is_written_as_it_came"],
    ),
    row("MB-01", "byte at a time: allowed", &[GATE, GATE_TLS, HALF]),
    row("MB-02", "FC 3 then FC 6 in one segment: the second denied", &[GATE, GATE_TLS, HALF]),
    row("MB-03", "length 64 with 6 bytes: severed", &[GATE, GATE_TLS, HALF]),
    row("MB-04", "FC 16 and two more bytes: severed", &[MORE, HALF]),
    row("MB-05", "length 3 for FC 3: severed", &[GATE, GATE_TLS, HALF]),
    row(
        "MB-06",
        "a write behind a read within one length: severed",
        &[
            GATE,
            GATE_TLS,
            HALF,
            "gateway/src/engine/tests/path.rs::mb_06_a_write_hidden_behind_a_read_ends_the_session_and_what_is_pending_is_not_sent",
        ],
    ),
    row("MB-07", "protocol id 1: severed", &[GATE, GATE_TLS, HALF, NO_RTU]),
    row("MB-08", "length 0: severed", &[MORE, HALF]),
    row("MB-09", "length FFFF: severed", &[GATE, GATE_TLS, HALF]),
    row(
        "MB-10",
        "an id in flight: silence, or its turn where the conduit says so",
        &[
            GATE,
            HALF,
            "tests/modbus/keys.rs::mb_10_a_request_whose_id_is_in_flight_is_dropped_or_waits",
            "tests/modbus/keys.rs::mb_10_queued_duplicates_are_bounded_and_keep_their_order",
            "gateway/src/engine/tests/hostile.rs::mb_10_a_flood_of_duplicate_ids_is_not_a_flood_of_records",
        ],
    ),
    row("MB-11", "an answer to nothing: dropped and alarmed", &[LIES, GATE_DEVICE, HALF_DEVICE]),
    row(
        "MB-12",
        "an answer twice: the second dropped",
        &[
            LIES,
            HALF_DEVICE,
            "gateway/src/engine/tests/device.rs::mb_12_the_second_of_two_answers_and_one_before_any_request_are_nobodys",
        ],
    ),
    row("MB-13", "another function: dropped and alarmed", &[LIES, GATE_DEVICE, HALF_DEVICE]),
    row("MB-14", "another byte count: dropped and alarmed", &[LIES, GATE_DEVICE, HALF_DEVICE]),
    row(
        "MB-15",
        "unit 0: denied unless listed; as a broadcast a write that nobody answers",
        &[
            GATE,
            HALF,
            "tests/modbus/keys.rs::mb_15_units_0_and_255_are_refused_unless_listed",
            "tests/modbus/line.rs::mb_15_a_broadcast_is_written_to_all_and_answered_by_none",
            "proto/src/modbus/peer/tests.rs::a_broadcast_is_a_write",
        ],
    ),
    row(
        "MB-16",
        "unit 255: denied unless listed or mapped",
        &[
            "tests/modbus/keys.rs::mb_15_units_0_and_255_are_refused_unless_listed",
            "tests/modbus/keys.rs::mb_16_unit_map_is_applied_first_and_undone_last",
        ],
    ),
    row(
        "MB-17",
        "FC 8/4: denied by default and unless it is named; then not waited for",
        &[
            GATE,
            HALF,
            "tests/modbus/keys.rs::mb_17_listen_only_is_not_waited_for",
            "proto/src/policy/judge.rs::mb_17_another_sub_function_is_another_function",
        ],
    ),
    row(
        "MB-18",
        "FC 8/1 and 8/10: denied unless named",
        &[GATE, HALF, "tests/modbus/keys.rs::mb_17_listen_only_is_not_waited_for"],
    ),
    row(
        "MB-19",
        "FC 43/14: only the lists that are named",
        &[GATE, HALF, "tests/modbus/keys.rs::mb_19_encapsulated_and_opaque_functions_pass_only_by_name"],
    ),
    row(
        "MB-20",
        "FC 43/13: only by name",
        &[MORE, HALF, "tests/modbus/keys.rs::mb_19_encapsulated_and_opaque_functions_pass_only_by_name"],
    ),
    row(
        "MB-21",
        "FC 90, 91, 126: denied; class program",
        &[GATE, HALF, "tests/modbus/keys.rs::mb_19_encapsulated_and_opaque_functions_pass_only_by_name"],
    ),
    row(
        "MB-22",
        "the write half of FC 23 is judged as a write, and must be named",
        &[GATE, HALF, "proto/src/policy/judge.rs::mb_21_22_functions_that_must_be_named_are"],
    ),
    row("MB-23", "FC 22 must be named", &[GATE, HALF]),
    row(
        "MB-24",
        "groups of FC 20 and 21 that lie: denied in bounded steps",
        &[
            MORE,
            HALF,
            "proto/src/modbus/request/files.rs::mb_24_groups_that_lie_are_answered_and_reach_nobody",
            "proto/src/modbus/tests/idempotent.rs::mb_24_a_lie_about_sub_requests_takes_no_more_steps_than_the_truth",
        ],
    ),
    row(
        "MB-25",
        "a record length of FFFF: denied in bounded steps",
        &[
            GATE,
            HALF,
            MORE,
            "proto/src/modbus/request/files.rs::mb_25_a_record_length_of_65535_wraps_nowhere",
            "proto/src/modbus/tests/idempotent.rs::mb_24_a_lie_about_sub_requests_takes_no_more_steps_than_the_truth",
        ],
    ),
    row(
        "MB-26",
        "an answer of more than 253 bytes is never asked for, in bounded steps",
        &[
            GATE,
            HALF,
            MORE,
            "proto/src/modbus/request/files.rs::mb_26_an_answer_of_more_than_253_bytes_is_never_asked_for",
            "proto/src/modbus/tests/idempotent.rs::mb_24_a_lie_about_sub_requests_takes_no_more_steps_than_the_truth",
        ],
    ),
    row(
        "MB-27",
        "an address that wraps: 02",
        &[GATE, HALF, "tests/modbus/hostile.rs::gen_12_a_range_is_allowed_whole_or_not_at_all"],
    ),
    row("MB-28", "126, 0 and 2001 points: 03", &[MORE, HALF]),
    row("MB-29", "a short PDU: severed", &[GATE, HALF]),
    row("MB-30", "FC 5 with 1234: 03", &[GATE, HALF]),
    row("MB-31", "a byte count that is not twice the quantity: severed", &[GATE, HALF]),
    row("MB-32", "RTU on TCP: severed; RTU over TCP only where the conduit says so", &[MORE, HALF, NO_RTU]),
    row("MB-33", "an exception as a request: severed", &[GATE, HALF, NO_RTU]),
    row("MB-34", "a bare FC 3, then more bytes: severed", &[GATE, HALF]),
    row("MB-35", "FC 0: severed", &[GATE, HALF, NO_RTU]),
    row(
        "MB-36",
        "the device's exceptions pass, an unknown one becomes 04; ours are told apart",
        &["tests/modbus/hostile.rs::mb_36_exceptions_of_the_device_and_ours_are_told_apart", HALF_DEVICE],
    ),
    row("IE-01", "a start is the station's to confirm", &[STATION, HALF_104]),
    row("IE-02", "an interrogation: allowed where it is listed", &[STATION, HALF_104]),
    row(
        "IE-03",
        "a select and its execute in one segment: each judged",
        &[
            STATION,
            HALF_104,
            "tests/telecontrol/policy.rs::select_first",
            "proto/src/iec104/judged.rs::ie_03_a_select_is_judged_as_what_it_selects_and_select_first_wants_one",
        ],
    ),
    row("IE-04", "a double command: judged", &[HALF_104]),
    row("IE-05", "reset of a process: denied", &[STATION, HALF_104]),
    row("IE-06", "a command behind a test frame: judged", &[STATION, HALF_104]),
    row("IE-07", "with the test bit: judged the same", &[STATION, HALF_104, REFUSED_104]),
    row("IE-08", "to the global address: denied, and nobody answers", &[HALF_104, REFUSED_104]),
    row("IE-09", "two objects claimed, one there: severed", &[STATION, HALF_104, CENTRE_BREAKS]),
    row("IE-10", "a sequence of commands: severed", &[STATION, HALF_104, CENTRE_BREAKS]),
    row("IE-11", "a length below 4: severed", &[STATION, HALF_104, CENTRE_BREAKS]),
    row("IE-12", "a length above 253: severed", &[HALF_104, CENTRE_BREAKS]),
    row("IE-13", "another start byte: severed", &[STATION, HALF_104, CENTRE_BREAKS]),
    row("IE-14", "a U frame with no function or two: severed", &[STATION, HALF_104, CENTRE_BREAKS]),
    row(
        "IE-15",
        "a number that jumps, or acknowledges what was never sent: severed",
        &[STATION, HALF_104, CENTRE_BREAKS, "tests/telecontrol/rows.rs::a_number_counts_once"],
    ),
    row(
        "IE-16",
        "nothing before the station has confirmed the start",
        &[
            CENTRE_BREAKS,
            "proto/src/iec104/vectors.rs::ie_16_nothing_passes_before_the_station_has_confirmed_the_start",
        ],
    ),
    row("IE-17", "type 0: severed", &[STATION, HALF_104, CENTRE_BREAKS]),
    row("IE-18", "parameters: denied", &[STATION, HALF_104]),
    row("IE-19", "file transfer: denied; shorter than its length: severed", &[STATION, HALF_104]),
    row(
        "IE-20",
        "a command from the station that confirms nothing: dropped and alarmed",
        &["tests/telecontrol/policy.rs::a_station_reports_what_it_likes_and_commands_nothing"],
    ),
    row(
        "IE-21",
        "a set-point outside its range, or no number: denied",
        &[STATION, HALF_104, "tests/telecontrol/policy.rs::what_is_no_number_is_no_set_point"],
    ),
    row(
        "IE-22",
        "each side has its own numbers, windows and timers; nothing is acknowledged before the centre has it",
        &[
            HALF_104,
            "tests/telecontrol/rows.rs::a_window_is_kept",
            "tests/telecontrol/rows.rs::a_refusal_leaves_no_hole_in_the_numbers",
            "tests/telecontrol/standing.rs::a_station_forgets_nothing_that_the_centre_does_not_have",
        ],
    ),
    row(
        "IE-23",
        "commands by type, address, point, cause and qualifier",
        &[REFUSED_104, "proto/src/iec104/judged.rs::ie_23_a_rule_judges_type_address_value_and_qualifier"],
    ),
    row(
        "IE-24",
        "a burst over many points: limited and alarmed",
        &["tests/telecontrol/policy.rs::a_scan_over_points_is_limited"],
    ),
];

#[test]
fn every_row_is_carried_by_tests_that_are_there() {
    let mut faults = Vec::new();
    for row in ROWS {
        assert!(!row.tests.is_empty(), "{} ({}) has no test", row.id, row.due);
        for test in row.tests {
            faults.extend(fault(row.id, test));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for row in ROWS.iter().filter(|row| !row.later.is_empty()) {
        println!("{}: {}; {}", row.id, row.due, row.later);
    }
}

#[test]
fn no_row_of_the_catalogue_is_missing() {
    let have: BTreeSet<_> = ROWS.iter().map(|row| row.id.to_owned()).collect();
    assert_eq!(have.len(), ROWS.len(), "a row twice");
    let due = (1..=16).map(|n| format!("GEN-{n:02}")).chain((1..=36).map(|n| format!("MB-{n:02}")));
    let due: BTreeSet<_> = due.chain((1..=24).map(|n| format!("IE-{n:02}"))).collect();
    assert_eq!(have, due);
    let Some(page) = shared("design/threats.md") else { return };
    let page = std::fs::read_to_string(page).expect("the catalogue is readable");
    let told: BTreeSet<_> = page.lines().flat_map(ids).collect();
    assert_eq!(
        told.difference(&have).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "rows of the catalogue without tests here"
    );
}

/// The ids at the head of a line of the catalogue: `GEN-01`, `MB-01/02/34`, `MB-27..31`, `IE-03/04/06`.
fn ids(line: &str) -> Vec<String> {
    let Some(head) = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next()) else { return Vec::new() };
    let Some((kind, numbers)) = head.split_once('-').filter(|(kind, _)| ["GEN", "MB", "IE"].contains(kind)) else {
        return Vec::new();
    };
    let number = |text: &str| text.parse::<u32>().expect("a number");
    let all: Vec<u32> = match numbers.split_once("..") {
        Some((first, last)) => (number(first)..=number(last)).collect(),
        None => numbers.split('/').map(number).collect(),
    };
    all.into_iter().map(|n| format!("{kind}-{n:02}")).collect()
}

/// What is wrong with a row's test: its file, its name, or the id that it does not carry.
fn fault(id: &str, test: &str) -> Option<String> {
    let (file, name) = test.split_once("::").expect("file::test");
    let path: &Path = &repository().join(file);
    let Ok(text) = std::fs::read_to_string(path) else { return Some(format!("{id}: there is no {file}")) };
    let head = format!("fn {name}(");
    let Some(at) = text.find(&head) else { return Some(format!("{id}: {file} has no {name}")) };
    let before = text[..at].trim_end();
    let marked = before.rsplit("\n\n").next().is_some_and(|block| block.contains("#[test]"));
    // A table of frames stands beside its test, with an id in each row.
    let carries = text.contains(id) || text.contains(&id.to_lowercase().replace('-', "_"));
    match (marked, carries) {
        (true, true) => None,
        (false, _) => Some(format!("{id}: {name} in {file} is no test")),
        (true, false) => Some(format!("{id}: {file} does not carry the id")),
    }
}
