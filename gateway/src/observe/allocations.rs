//! Does a message that is counted and written down ask for memory? Counted here, so that no change adds some unseen.

use std::{sync::Arc, time::Duration};

use allocation_counter::measure;
use sluicegate_proto::{
    policy::Who,
    protocol::{Protocol, Stored},
    sentence::{Addressing, Form, Sentence},
    vocab::{Cause, Class, Mode, Reason, VerdictWord},
};

use super::{
    journal::{Journal, Seq, Shared},
    metrics::{Limit, ResponseOutcome},
    record::{Event, Record},
    recover,
    series::{ConduitLabels, SiteLabels},
    site::{AuditMetrics, SiteMetrics},
    tests::shape,
    trail::RealDisk,
};
use crate::permit::Peer;

fn peer() -> Arc<Peer> {
    Arc::new(Peer {
        who: Who { identity: "scada-1".to_owned(), roles: vec!["hmi".to_owned()] },
        identity: 0,
        source: "10.30.0.5:51000".parse().expect("an address"),
        listener: "ot".to_owned(),
        key_hash: Some("ab".repeat(32)),
        names: vec!["uri:spiffe://north-pumping/scada-1".to_owned()],
        not_after: None,
        shown: Default::default(),
    })
}

fn message() -> Stored {
    let (text, grammar) = ("write holding 40 = 5 via 6", Protocol::Modbus.grammar());
    let sentence = Sentence::parse(text, Form::Deed, grammar, Addressing::ZeroBased).expect("a sentence");
    Protocol::Modbus.build(&sentence, 1).expect("a message")
}

/// The message and the frame come from whoever queued them; the record adds nothing.
#[test]
fn a_record_costs_the_worker_no_allocation() {
    let shared = Shared::new(64, Seq(1), AuditMetrics::detached());
    let journal = Journal::of(Arc::clone(&shared));
    let (conduit, peer): (Arc<str>, _) = ("pump".into(), peer());
    let write_some = || {
        for cause in Cause::ALL.iter().take(16) {
            let mut record = Record::new(Event::SessionClosed);
            record.conduit = Some(Arc::clone(&conduit));
            record.session = Some(1);
            record.peer = Some(Arc::clone(&peer));
            record.cause = Some(*cause);
            let _seq = journal.reserve().expect("there is room").write(record);
        }
    };
    let mut batch = Vec::new();
    // The queue's two buffers, which change places, grow once.
    for _ in 0..2 {
        write_some();
        shared.take(&mut batch, Duration::ZERO);
        shared.settled(&batch);
        batch.clear();
    }
    assert_eq!(measure(write_some).count_total, 0);
}

/// On the journal's thread: the sentences of the message, nothing for the line around them. Two more are the batch's own.
#[test]
fn a_line_costs_what_its_sentences_cost() {
    let state = tempfile::tempdir().expect("a directory");
    let (trail, found) = recover::open(state.path(), shape(state.path()), Box::new(RealDisk)).expect("opened");
    let shared = Shared::new(64, found.next, AuditMetrics::detached());
    let queue = |message: Option<Stored>| {
        let mut record = Record::new(Event::Allowed);
        (record.peer, record.conduit) = (Some(peer()), Some("pump".into()));
        (record.message, record.frame) = (message, Some(vec![0; 12].into()));
        shared.push_own(record);
        let mut batch = Vec::new();
        shared.take(&mut batch, Duration::ZERO);
        batch
    };
    let (bare, whole) = (queue(None), queue(Some(message())));
    let cost = |records| measure(|| drop(trail.prepare(records))).count_total;
    assert_eq!(cost(&bare), 2, "a line without a message");
    assert!(cost(&whole) <= 18, "a line with one deed: {}", cost(&whole));
}

#[test]
fn a_count_costs_no_allocation() {
    let labels = ConduitLabels {
        name: "pump".to_owned(),
        protocol: "modbus",
        functions: vec![3, 6],
        rules: vec!["r-00000001".to_owned()],
        mode: Mode::Enforce,
        max_sessions: 32,
    };
    let site = SiteMetrics::with_labels(SiteLabels { conduits: vec![labels], ..SiteLabels::default() });
    let pump = site.conduit("pump").expect("a conduit");
    let count = || {
        pump.request(3, VerdictWord::Allowed);
        pump.request(99, VerdictWord::Denied);
        pump.class(Class::Write, VerdictWord::Denied);
        pump.denial(Reason::ValueNotAllowed, Mode::Enforce);
        pump.response(ResponseOutcome::Ok);
        pump.rule_hit(sluicegate_proto::policy::RuleIx(0));
        pump.bytes_from_peer(12);
        pump.inspected(Duration::from_micros(12));
        pump.upstream_took(Duration::from_millis(3));
        pump.limited(Limit::Requests, true);
        pump.allowed_now();
        drop(pump.session_opened());
        pump.session_closed(Cause::PeerClosed);
    };
    assert_eq!(measure(count).count_total, 0);
}
