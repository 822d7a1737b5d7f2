//! What does the conduit write into the audit trail?

use std::sync::Arc;

use sluicegate_proto::{
    policy::{Denied, RuleIx},
    protocol::Stored,
    vocab::{Cause, Reason, VerdictWord},
};

use super::{SessionKey, core::Core, kind::Kind, link::OwnRead};
use crate::{
    observe::{
        journal::{JournalFull, Seq, Slot},
        metrics::Limit,
        record::{Event, Record, RuleOf},
    },
    permit::Permit,
};

impl Core {
    pub(super) fn trail_opened(&self, key: SessionKey) {
        self.write(self.record(Event::SessionOpened, key));
    }

    pub(super) fn trail_closed(&self, key: SessionKey, cause: Cause) {
        let mut record = self.record(Event::SessionClosed, key);
        record.cause = Some(cause);
        self.write(record);
    }

    /// A peer that was let in but finds no place: counted and written down like every other refusal.
    pub(super) fn trail_refused_session(&self, permit: &Permit, cause: Cause, reason: Reason) {
        self.metrics.denial(reason, self.mode());
        let mut record = Record::new(Event::SessionRefused);
        record.conduit = Some(self.name.clone());
        record.peer = Some(permit.peer().clone());
        record.cause = Some(cause);
        record.reason = Some(reason);
        self.write(record);
    }

    /// A refusal, or what monitor mode would have refused.
    pub(super) fn trail_denied(
        &self,
        key: SessionKey,
        denied: &Denied,
        message: Option<Stored>,
        frame: Option<Box<[u8]>>,
    ) {
        self.write(self.denied_record(Event::Denied, key, denied, message, frame));
    }

    pub(super) fn trail_would_deny(
        &self,
        key: SessionKey,
        denied: &Denied,
        message: Option<Stored>,
        frame: Option<Box<[u8]>>,
    ) {
        self.write(self.denied_record(Event::WouldDeny, key, denied, message, frame));
    }

    /// The same where the record must be on disk before the message leaves.
    pub(super) fn trail_would_deny_first(
        &self,
        key: SessionKey,
        slot: Slot,
        denied: &Denied,
        what: (Stored, Option<Box<[u8]>>),
    ) -> Seq {
        slot.write_awaited(self.denied_record(Event::WouldDeny, key, denied, Some(what.0), what.1))
    }

    /// An allowed write leaves for the device; with `durable`, once this is on disk.
    pub(super) fn trail_allowed(
        &self,
        key: SessionKey,
        slot: Slot,
        rule: Option<RuleIx>,
        what: (Stored, Option<Box<[u8]>>),
    ) -> Seq {
        let mut record = self.record(Event::Allowed, key);
        record.rule = self.rule(rule);
        (record.message, record.frame) = (Some(what.0), what.1);
        if self.place.site.audit.durable_writes { slot.write_awaited(record) } else { slot.write(record) }
    }

    pub(super) fn trail_own_read(&self, own: &OwnRead, note: String) {
        let mut record = self.record(Event::OwnRead, own.session);
        record.peer = Some(own.peer.clone());
        record.note = Some(note);
        self.write(record);
    }

    pub(super) fn trail_alarm(&self, key: Option<SessionKey>, reason: Option<Reason>, note: &str) {
        let mut record = key.map_or_else(|| Record::new(Event::Alarm), |key| self.record(Event::Alarm, key));
        record.conduit = Some(self.name.clone());
        record.reason = reason;
        record.note = Some(note.to_owned());
        self.write(record);
    }

    /// News of what the device says. One that only talks must not fill the journal, which all conduits share. Whether it
    /// was written down.
    pub(super) fn trail_device(&mut self, key: Option<SessionKey>, reason: Reason, what: &str) -> bool {
        if self.limits.alarm().is_err() {
            self.unalarmed += 1;
            return false;
        }
        match std::mem::take(&mut self.unalarmed) {
            0 => self.trail_alarm(key, Some(reason), what),
            more => {
                self.trail_alarm(key, Some(reason), &format!("{what}; {more} before it were only counted"));
            }
        }
        true
    }

    /// News of a unit behind the conduit. One that comes and goes must not fill the journal.
    pub(super) fn trail_unit(&mut self, unit: u32, what: &str) {
        if self.limits.alarm().is_ok() {
            let word = self.conduit().protocol.grammar().unit_word;
            self.trail_alarm(None, Some(Reason::RequestTimeout), &format!("{word} {unit} {what}"));
        }
    }

    /// Counts a refusal: exactly once a message, whatever the stage at which it fell.
    pub(super) fn count_denied(&self, denied: &Denied, kind: Kind) {
        // The conduit's own limits name no rule.
        if denied.reason == Reason::RateLimited && denied.rule.is_some() {
            self.metrics.limited(Limit::RuleBudget, false);
        }
        self.metrics.denial(denied.reason, self.mode());
        self.count(kind, VerdictWord::Denied);
    }

    /// Counts a message by its function and by its class.
    pub(super) fn count(&self, kind: Kind, verdict: VerdictWord) {
        self.metrics.request(kind.function, verdict);
        if let Some(class) = kind.class {
            self.metrics.class(class, verdict);
        }
    }

    pub(super) fn audit_slot(&self) -> Result<Slot, JournalFull> {
        self.journal.reserve()
    }

    /// What finds no room is counted as lost by the journal itself; the conduit's `audit_full` mode decides what follows.
    fn write(&self, record: Record) {
        if let Ok(slot) = self.journal.reserve() {
            let _seq = slot.write(record);
        }
    }

    fn denied_record(
        &self,
        event: Event,
        key: SessionKey,
        denied: &Denied,
        message: Option<Stored>,
        frame: Option<Box<[u8]>>,
    ) -> Record {
        let mut record = self.record(event, key);
        record.reason = Some(denied.reason);
        record.rule = self.rule(denied.rule);
        record.message = message;
        record.frame = frame;
        record
    }

    fn record(&self, event: Event, key: SessionKey) -> Record {
        let mut record = Record::new(event);
        record.conduit = Some(self.name.clone());
        record.session = Some(key.0);
        record.peer = self.sessions.get(&key).map(|session| session.permit.peer().clone());
        record
    }

    fn rule(&self, index: Option<RuleIx>) -> Option<RuleOf> {
        Some(RuleOf { policy: Arc::clone(&self.policy), index: index? })
    }
}
