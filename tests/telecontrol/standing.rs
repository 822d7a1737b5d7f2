//! Who stands, who is started, and what ends with what?

use std::time::Duration;

use super::{Rtu, ruled};
use crate::gate::{
    Peer, Site,
    station::{Centre, Manner, STARTDT, STARTED, STOPDT, STOPPED, Station, TESTED, TESTFR, asdu, heard, u},
    wait,
};

const GI: &str = "hmi read interrogation ca 1";

fn event(ioa: u32) -> Vec<u8> {
    asdu(1, 3, 0, 1, ioa, &[1])
}

/// IE-22: what a station is told that it may forget is what the centre has acknowledged, and nothing more.
#[test]
fn a_station_forgets_nothing_that_the_centre_does_not_have() {
    let (_site, station, gate) = ruled(&[GI]);
    let mut centre = Centre::started(Peer::plain(&gate));
    for ioa in 1..=3 {
        station.say(&event(ioa));
    }
    for ioa in 1..=3u8 {
        assert_eq!(centre.asdu(), format!("0101030001000{ioa}000001"));
    }
    // It has read them and not said so: a test crosses, an acknowledgement does not.
    centre.peer.send(&TESTFR);
    assert_eq!(centre.next(), TESTED);
    assert_eq!(station.told(), 0, "nothing is acknowledged early");
    centre.acknowledge();
    wait("the acknowledgement at the station", || station.told() == 3);
    gate.stop();
}

/// A start is confirmed when the station has confirmed it, a stop likewise; tests are answered on each side.
#[test]
fn starts_and_stops_are_the_stations() {
    let (_site, station, gate) = ruled(&[GI]);
    let mut centre = Centre::new(Peer::plain(&gate));
    centre.peer.send(&TESTFR);
    assert_eq!(centre.next(), TESTED, "before anything is started");
    wait("the station is dialled when the session opens", || station.connections().1 == 1);
    assert!(!station.frames().contains(&STARTDT.to_vec()));
    centre.peer.send(&STARTDT);
    assert_eq!(centre.next(), STARTED);
    assert!(station.frames().contains(&STARTDT.to_vec()), "the station confirmed it");
    centre.peer.send(&STOPDT);
    assert_eq!(centre.next(), STOPPED);
    assert!(station.frames().contains(&STOPDT.to_vec()));
    centre.peer.send(&STARTDT);
    assert_eq!(centre.next(), STARTED, "and again");
    assert!(!station.frames().contains(&TESTFR.to_vec()), "the centre's tests are ours to answer");
    station.raw(&u(0x43));
    wait("our answer to the station's test", || station.frames().contains(&TESTED.to_vec()));
    gate.stop();
}

#[test]
fn what_ends_on_one_side_ends_on_the_other() {
    let (site, station, gate) = ruled(&[GI]);
    let mut centre = Centre::started(Peer::plain(&gate));
    station.hang_up();
    centre.peer.until_closed();
    site.record_with(&[("event", "session_closed"), ("cause", "device_closed")]);

    let centre = Centre::started(Peer::plain(&gate));
    wait("a second connection", || station.connections() == (2, 1));
    drop(centre);
    wait("the station's connection ends with the centre's", || station.connections() == (2, 0));
    gate.stop();
}

/// A station that is not there: the centre hears of it by the end of its connection, and may come again.
#[test]
fn a_station_that_cannot_be_reached_ends_the_session() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let rtu = Rtu { allow: &[GI], ..Rtu::default() };
    let nobody = crate::gate::free_port();
    let text = rtu.text(&format!("127.0.0.1:{nobody}"), 1);
    let gate = crate::gate::Gate::try_start(&site, &text, |command| command).expect("it starts");
    let mut centre = Centre::new(Peer::plain(&gate));
    centre.peer.until_closed();
    site.record_with(&[("event", "session_closed"), ("cause", "upstream_unavailable")]);
    assert_eq!(station.connections(), (0, 0));
    gate.stop();
}

/// One that answers no test, on either side, is gone: t1.
#[test]
fn a_silent_side_ends_the_other() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let keys = "t1 = \"2s\"\nt2 = \"1s\"\nt3 = \"3s\"";
    let gate = Rtu { keys, allow: &[GI], ..Rtu::default() }.start(&site, &station);
    let mut centre = Centre::new(Peer::plain(&gate));
    // It is tested, and says nothing.
    assert_eq!(centre.next(), TESTFR);
    centre.peer.until_closed();
    site.record_with(&[("event", "session_closed"), ("cause", "idle")]);
    wait("the station's connection", || station.connections().1 == 0);
    gate.stop();
}

/// A connection with nothing but tests is a healthy standby, however long.
#[test]
fn a_standby_that_only_tests_is_never_idle() {
    let (_site, station) = (Site::new(), Station::start(Manner::Confirms));
    let site = Site::new();
    let gate = Rtu { defaults: "idle_timeout = \"1s\"", allow: &[GI], ..Rtu::default() }.start(&site, &station);
    let mut centre = Centre::new(Peer::plain(&gate));
    // Several idle timeouts, each bridged by a test of the gate's own.
    for _ in 0..6 {
        assert_eq!(centre.next(), TESTFR);
        centre.peer.send(&TESTED);
    }
    centre.peer.send(&STARTDT);
    let mut answer = centre.next();
    while answer == TESTFR {
        centre.peer.send(&TESTED);
        answer = centre.next();
    }
    assert_eq!(answer, STARTED, "it takes over");
    gate.stop();
}

/// IR-03: while one centre is started, nobody else starts.
#[test]
fn a_second_start_is_a_session_conflict() {
    let (site, station, gate) = ruled(&[GI]);
    let mut first = Centre::started(Peer::plain(&gate));
    let mut second = Centre::new(Peer::plain(&gate));
    second.peer.send(&TESTFR);
    assert_eq!(second.next(), TESTED, "a standby may stand");
    second.peer.send(&STARTDT);
    assert!(second.peer.until_closed().is_empty(), "it is not started");
    site.record_with(&[("event", "alarm"), ("reason", "session_conflict")]);
    site.record_with(&[("event", "session_closed"), ("cause", "session_conflict")]);
    assert!(first.ask(&asdu(100, 6, 0, 1, 0, &[20])).starts_with("640107"), "the first one goes on");
    // It stops, and a standby starts.
    first.peer.send(&STOPDT);
    while first.next() != STOPPED {
        first.acknowledge();
    }
    let mut third = Centre::started(Peer::plain(&gate));
    assert!(third.ask(&asdu(100, 6, 0, 1, 0, &[20])).starts_with("640107"));
    assert_eq!(station.asdus().len(), 2);
    gate.stop();
}

#[test]
fn standby_says_who_wins() {
    for (word, first_lives) in [("take-over", false), ("any", true)] {
        let (site, station) = (Site::new(), Station::start(Manner::Confirms));
        let keys = format!("standby = \"{word}\"");
        let gate = Rtu { keys: &keys, allow: &[GI], ..Rtu::default() }.start(&site, &station);
        let mut first = Centre::started(Peer::plain(&gate));
        let mut second = Centre::started(Peer::plain(&gate));
        assert!(second.ask(&asdu(100, 6, 0, 1, 0, &[20])).starts_with("640107"));
        if first_lives {
            assert!(first.ask(&asdu(100, 6, 0, 1, 0, &[20])).starts_with("640107"));
        } else {
            first.peer.until_closed();
            site.record_with(&[("event", "session_closed"), ("cause", "session_conflict")]);
        }
        gate.stop();
    }
}

/// A command without a confirmation: counted, sent once, and a late confirmation still reaches the centre.
#[test]
fn a_late_confirmation_still_arrives() {
    let (site, station) = (Site::new(), Station::start(Manner::Mute));
    let gate =
        Rtu { defaults: "request_timeout = \"1s\"", allow: &["hmi control C_SC_NA_1 ca 1 ioa 100"], ..Rtu::default() }
            .start(&site, &station);
    let mut centre = Centre::started(Peer::plain(&gate));
    centre.tell(&asdu(45, 6, 0, 1, 100, &[1]));
    heard(&station, 1);
    gate.metric_reaches("responses_total{conduit=\"rtu\",outcome=\"timeout\",protocol=\"iec104\"}", 1);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(station.asdus().len(), 1, "nothing is sent twice");
    station.say(&asdu(45, 7, 0, 1, 100, &[1]));
    assert_eq!(centre.asdu(), "2d01070001006400000 1".replace(' ', ""));
    // Only once: a station that confirms twice is believed once.
    station.say(&asdu(45, 7, 0, 1, 100, &[1]));
    gate.metric_reaches("denials_total{conduit=\"rtu\",mode=\"enforce\",reason=\"direction_not_allowed\"}", 1);
    gate.stop();
}
