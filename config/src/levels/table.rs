//! Which requirements are there, what does each ask for, and who keeps it?
//!
//! Ids and levels come from secondary sources of IEC 62443-3-3, the words are ours: whoever certifies needs the standard.
//! A row that says `Plant` goes once the program serves what keeps it.

use super::{
    Kept::{self, Always, NoGateway, Plant, Written},
    Requirement,
};
use crate::finding::codes;

/// The requirement that concerns only what goes through untrusted networks.
pub(super) const UNTRUSTED_WAY: &str = "SR 4.1 RE 1";

const fn row(id: &'static str, level: u8, says: &'static str, kept: Kept) -> Requirement {
    Requirement { id, level, says, kept }
}

/// Every requirement, in the standard's order.
pub const REQUIREMENTS: &[Requirement] = &[
    row("SR 1.1", 1, "people are known before they act", Plant(PEOPLE)),
    row("SR 1.1 RE 1", 2, "each person is known by an account of their own", Plant(PEOPLE)),
    row(
        "SR 1.1 RE 2",
        3,
        "a second factor for people who come over untrusted networks",
        Plant("the jump host asks for it; no conduit of this version starts in an untrusted zone"),
    ),
    row("SR 1.1 RE 3", 4, "a second factor for people on every network", Plant(PEOPLE)),
    row("SR 1.2", 2, "programs and devices are known before they act", Written(&[codes::PLAIN_PEER])),
    row(
        "SR 1.2 RE 1",
        3,
        "each program and device is known by an identity of its own",
        Written(&[codes::PLAIN_PEER, codes::MANY_PEERS, codes::WILDCARD]),
    ),
    row("SR 1.3", 1, "accounts are made, changed and taken back", Always("identities are what the configuration says")),
    row(
        "SR 1.3 RE 1",
        3,
        "accounts come from one place",
        Plant("the configuration of all gateways from one repository"),
    ),
    row("SR 1.4", 1, "names of users, roles and places are managed", Always("each has one name, and none has two")),
    row("SR 1.5", 1, "keys and passwords are managed, and none is a default", Always("`pki issue` and `pki revoke`")),
    row("SR 1.5 RE 1", 3, "keys of programs are guarded by hardware", Written(&[codes::KEY_FILE])),
    row("SR 1.6", 1, "wireless access is managed", NoGateway),
    row("SR 1.6 RE 1", 2, "each wireless user is known", NoGateway),
    row("SR 1.7", 1, "passwords are strong", Always("there are no passwords")),
    row("SR 1.7 RE 1", 3, "passwords of people end after a time", Always("there are no passwords")),
    row("SR 1.7 RE 2", 4, "passwords of everybody end after a time", Always("there are no passwords")),
    row("SR 1.8", 2, "certificates follow good practice", Always("chains, names and lifetimes are checked")),
    row("SR 1.9", 2, "a certificate counts only while it is good", Written(&[codes::NO_CRL, codes::PLAIN_PEER])),
    row(
        "SR 1.9 RE 1",
        3,
        "private keys never leave hardware",
        Plant("a relay with a token before the gateway; this version holds keys in memory"),
    ),
    row("SR 1.10", 1, "whoever fails to log in learns nothing from it", Always("a TLS alert says no more than that")),
    row("SR 1.11", 1, "guessing is slowed down", Always("handshakes of a source are limited")),
    row("SR 1.12", 1, "users are told that they are watched", Plant("the banner of the screens at which people work")),
    row("SR 1.13", 1, "access through untrusted networks is watched and controlled", Written(&[codes::ANY_SOURCE])),
    row("SR 1.13 RE 1", 2, "somebody approves each access through untrusted networks", Written(&[codes::UNTRUSTED])),
    row("SR 2.1", 1, "nobody does what they may not", Written(&[codes::NOT_ENFORCED])),
    row("SR 2.1 RE 1", 2, "programs and devices may not either", Written(&[codes::NOT_ENFORCED])),
    row("SR 2.1 RE 2", 2, "what may be done hangs on roles", Written(&[codes::ANYBODY])),
    row(
        "SR 2.1 RE 3",
        3,
        "a supervisor can override for a time",
        Plant("a second configuration, kept ready and tested"),
    ),
    row("SR 2.1 RE 4", 4, "two people approve what is grave", Plant("the panel at the machine")),
    row("SR 2.2", 1, "wireless use is controlled", NoGateway),
    row("SR 2.2 RE 1", 3, "wireless devices that do not belong there are found", NoGateway),
    row("SR 2.3", 1, "portable devices are controlled", NoGateway),
    row("SR 2.3 RE 1", 3, "the state of portable devices is checked", Plant("whoever lets laptops into a zone")),
    row("SR 2.4", 1, "mobile code is restricted", Always("nothing passes but messages of the conduit's protocol")),
    row("SR 2.4 RE 1", 3, "mobile code is checked before it runs", Plant("whoever loads programs into devices")),
    row("SR 2.5", 1, "a session locks when nobody uses it", Plant("the screens at which people work")),
    row(
        "SR 2.6",
        2,
        "a remote session ends by itself or by hand",
        Always("`idle_timeout`, and whatever takes trust back"),
    ),
    row("SR 2.7", 3, "sessions at one time are bounded", Always("`max_sessions`")),
    row("SR 2.8", 1, "what matters is recorded", Always("the audit trail")),
    row(
        "SR 2.8 RE 1",
        3,
        "one central record of the whole system",
        Plant("a log collector that takes the audit files; this version sends them nowhere"),
    ),
    row("SR 2.9", 1, "there is room for the record", Always("rotation, and a file of reserve")),
    row("SR 2.9 RE 1", 3, "somebody hears before the room ends", Written(&[codes::UNWATCHED])),
    row("SR 2.10", 1, "a record that cannot be written has an answer", Always("`audit_full` of each conduit")),
    row("SR 2.11", 2, "records carry the time", Always("UTC, in order, with jumps of the clock told")),
    row("SR 2.11 RE 1", 3, "clocks agree", Plant("chrony or another NTP client on the machine")),
    row("SR 2.11 RE 2", 4, "the source of time is guarded", Plant("NTS, or a clock of the plant's own")),
    row(
        "SR 2.12",
        3,
        "nobody can deny what they did",
        Written(&[codes::PLAIN_PEER, codes::NOT_DURABLE, codes::UNRECORDED]),
    ),
    row(
        "SR 2.12 RE 1",
        4,
        "no program or device can either",
        Written(&[codes::PLAIN_PEER, codes::NOT_DURABLE, codes::UNRECORDED]),
    ),
    row("SR 3.1", 1, "what is sent arrives unchanged", Always("every message is read to its last byte")),
    row("SR 3.1 RE 1", 3, "cryptography keeps it so", Written(&[codes::PLAIN_PEER, codes::PLAIN_DEVICE])),
    row("SR 3.2", 1, "malicious code is kept out of the host", NoGateway),
    row(
        "SR 3.2 RE 1",
        2,
        "malicious code is kept out at the way in",
        Always("nothing passes but messages of the conduit's protocol"),
    ),
    row("SR 3.2 RE 2", 3, "that protection is managed in one place", NoGateway),
    row("SR 3.3", 1, "protection can be tested", Always("`check`")),
    row("SR 3.3 RE 1", 3, "protection is tested by itself", Written(&[codes::UNTESTED])),
    row(
        "SR 3.3 RE 2",
        4,
        "protection is tested while the plant runs",
        Plant("a client that sends what must be refused"),
    ),
    row(
        "SR 3.4",
        2,
        "programs and settings are what they should be",
        Plant("the package manager's signatures and a file watch"),
    ),
    row("SR 3.4 RE 1", 3, "somebody hears when they are not", Plant("a file watch, such as AIDE or auditd")),
    row("SR 3.5", 1, "input is checked", Always("form, length, range and order of every message")),
    row(
        "SR 3.6",
        1,
        "outputs take a known state when control is lost",
        Always("the protocol's own error answer, or the end"),
    ),
    row("SR 3.7", 2, "errors tell an attacker nothing", Always("the protocol's own error answer and no more")),
    row("SR 3.8", 2, "nobody can take a session over", Written(&[codes::PLAIN_PEER])),
    row("SR 3.8 RE 1", 3, "a session's name ends with it", Written(&[codes::PLAIN_PEER])),
    row("SR 3.8 RE 2", 3, "no two sessions have one name", Written(&[codes::PLAIN_PEER])),
    row("SR 3.8 RE 3", 4, "nobody can guess a session's name", Written(&[codes::PLAIN_PEER])),
    row("SR 3.9", 2, "the record is guarded", Always("a hash chain with signed checkpoints")),
    row("SR 3.9 RE 1", 4, "the record cannot be written twice", Plant("write-once storage that takes the audit files")),
    row("SR 4.1", 1, "what is secret stays so", Always("keys and records are readable by their owner's group at most")),
    row(
        UNTRUSTED_WAY,
        2,
        "nobody reads along in untrusted networks",
        Written(&[codes::PLAIN_PEER, codes::PLAIN_DEVICE]),
    ),
    row("SR 4.1 RE 2", 4, "nobody reads along between zones", Written(&[codes::PLAIN_PEER, codes::PLAIN_DEVICE])),
    row("SR 4.2", 2, "what is taken out of service holds no secrets", Plant("wiping the disk of the machine")),
    row("SR 4.2 RE 1", 3, "shared memory holds no secrets of others", Plant("no other service on the machine")),
    row("SR 4.3", 1, "cryptography is sound", Always("TLS 1.3, or 1.2 where it is written, without weak suites")),
    row("SR 5.1", 1, "the plant's networks are apart from others", Written(&[codes::JUMP])),
    row("SR 5.1 RE 1", 2, "and physically so", Plant("a network card for each zone, and no switch that both share")),
    row("SR 5.1 RE 2", 3, "the plant needs nothing of other networks", Always("the gateway asks nobody outside")),
    row("SR 5.1 RE 3", 4, "critical networks stand alone", Plant("networks of their own")),
    row("SR 5.2", 1, "a zone's border is watched and controlled", Always("the gateway is that border")),
    row("SR 5.2 RE 1", 2, "what is not allowed is refused", Written(&[codes::NOT_ENFORCED])),
    row("SR 5.2 RE 2", 3, "the plant can be cut off", Plant("stopping the gateway: a dead process passes nothing")),
    row("SR 5.2 RE 3", 3, "a border that fails is closed", Written(&[codes::KEPT_OPEN])),
    row("SR 5.3", 1, "messages between people are restricted", Always("only industrial protocols pass")),
    row("SR 5.3 RE 1", 3, "there are none", Always("only industrial protocols pass")),
    row("SR 5.4", 1, "applications are apart", Plant("a gateway of its own for what must not share a process")),
    row("SR 6.1", 1, "whoever may read the record can", Always("files of JSON lines for the service's group")),
    row("SR 6.1 RE 1", 3, "programs can, too", Always("files of JSON lines for the service's group")),
    row("SR 6.2", 2, "the plant is watched all the time", Written(&[codes::UNWATCHED])),
    row("SR 7.1", 1, "a flood does not stop the plant", Always("buckets, bounded queues, bounded handshakes")),
    row("SR 7.1 RE 1", 2, "loads are managed", Always("buckets of each conduit and identity")),
    row("SR 7.1 RE 2", 3, "a flood does not reach others", Written(&[codes::UNBOUNDED])),
    row("SR 7.2", 1, "no service starves the others", Always("the unit's bounds, and a bound on every buffer")),
    row("SR 7.3", 1, "there is a copy of everything", Plant("a copy of configuration, keys and audit files")),
    row("SR 7.3 RE 1", 2, "the copy is tried", Plant("`check` on the copy, on another machine")),
    row("SR 7.3 RE 2", 3, "the copy is made by itself", Plant("a timer that makes it")),
    row("SR 7.4", 1, "a lost part is brought back", Plant("the package, and the copy of configuration and keys")),
    row("SR 7.5", 1, "power fails over", NoGateway),
    row("SR 7.6", 1, "settings are as recommended, and can be seen", Always("`check` and the reference")),
    row("SR 7.6 RE 1", 3, "programs can see them", Always("`check --json`")),
    row("SR 7.7", 1, "what is not needed is off", Always("what is not written is not there")),
    row("SR 7.8", 2, "what is installed is known", Always("the package's bill of materials")),
];

const PEOPLE: &str = "the screens at which people work; a gateway knows programs and devices";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_the_standard_has_at_each_level() {
        let upto = |level| REQUIREMENTS.iter().filter(|one| one.level <= level).count();
        assert_eq!([1, 2, 3, 4].map(upto), [37, 60, 90, 100]);
        for (at, one) in REQUIREMENTS.iter().enumerate() {
            assert!(REQUIREMENTS[..at].iter().all(|other| other.id != one.id), "{} is there twice", one.id);
        }
    }

    #[test]
    fn a_requirement_that_hangs_on_codes_names_known_ones() {
        for one in REQUIREMENTS {
            for code in one.codes() {
                assert!(codes::CODES.iter().any(|(known, _)| known == code), "{}: {code}", one.id);
            }
        }
        assert!(REQUIREMENTS.iter().any(|one| one.id == UNTRUSTED_WAY));
    }
}
