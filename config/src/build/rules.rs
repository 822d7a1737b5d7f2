//! Which rules does a conduit have, and where does each stand?

use std::{collections::BTreeMap, ops::Range};

use sha2::{Digest, Sha256};
use sluicegate_proto::{
    policy::Rule,
    protocol::Protocol,
    sentence::{Addressing, FaultKind, Form, Sentence, SentenceFault},
};

use super::{BUDGET, Ground, IDENTITY, Noun, POLICY, ROLE, SCHEDULE};
use crate::{
    fault::{At, Fault, Faults, did_you_mean},
    finding::codes,
    read::{
        hex,
        tree::{Table, Text},
    },
};

/// In which words and numbers a conduit's sentences are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tongue {
    pub(super) protocol: Protocol,
    pub(super) addressing: Addressing,
}

/// A rule and its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) rule: Rule,
    pub(super) at: At,
}

impl Tongue {
    /// The tongue of a conduit's table; `None` where its protocol is not known.
    pub(super) fn of(conduit: &Table) -> Option<Self> {
        let protocol = Protocol::parse(conduit.text("protocol")?.0)?;
        let addressing = match conduit.table(protocol.as_str()).and_then(|table| table.text("addressing")) {
            Some(("one-based", _)) => Addressing::OneBased,
            Some(("modicon", _)) => Addressing::Modicon,
            Some(_) | None => Addressing::ZeroBased,
        };
        Some(Self { protocol, addressing })
    }
}

/// The rules of a conduit: its preset, its own, those of its policies. A sentence that stands twice counts once.
pub(super) fn rules(ground: &Ground<'_>, conduit: &Table, tongue: Tongue, faults: &mut Faults) -> Vec<Placed> {
    let mut reader = Reader::new(ground, tongue);
    if let Some(own) = conduit.table(tongue.protocol.as_str()) {
        if let Some((name, at)) = own.text("preset") {
            reader.preset(name, at, faults);
        }
        reader.table(own, faults);
    }
    for (name, at) in conduit.texts("policies") {
        if ground.find(POLICY, (name, at), faults).is_some() {
            reader.policy(name, at, faults);
        }
    }
    reader.rules
}

/// The sentences of a policy that no conduit uses must make sense too.
pub(super) fn unused_policy(ground: &Ground<'_>, name: &str, at: &At, faults: &mut Faults) {
    let Some(table) = ground.root.table("policies").and_then(|policies| policies.table(name)) else { return };
    if let Some(protocol) = table.text("protocol").and_then(|(word, _)| Protocol::parse(word)) {
        let tongue = Tongue { protocol, addressing: Addressing::ZeroBased };
        Reader::new(ground, tongue).table(table, faults);
    }
    let fault = Fault::new(codes::UNUSED, at, format!("no conduit uses policy `{name}`"), "does nothing");
    faults.add(fault.help(format!("write policies = [\"{name}\"] in a conduit, or take it out")));
}

struct Reader<'g, 'm> {
    ground: &'g Ground<'m>,
    tongue: Tongue,
    rules: Vec<Placed>,
    /// The place of each id among the rules.
    ids: BTreeMap<String, usize>,
}

impl<'g, 'm> Reader<'g, 'm> {
    fn new(ground: &'g Ground<'m>, tongue: Tongue) -> Self {
        Self { ground, tongue, rules: Vec::new(), ids: BTreeMap::new() }
    }

    fn preset(&mut self, name: &str, at: &At, faults: &mut Faults) {
        let grammar = self.tongue.protocol.grammar();
        let sentences = self.tongue.protocol.presets().iter().filter(|one| one.name == name);
        for text in sentences.flat_map(|one| one.sentences) {
            // Presets are written zero-based, and a test in proto reads them all.
            if let Ok(sentence) = Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased) {
                self.add(sentence, true, at, faults);
            }
        }
    }

    fn policy(&mut self, name: &str, at: &At, faults: &mut Faults) {
        let Some(table) = self.ground.root.table("policies").and_then(|policies| policies.table(name)) else { return };
        match table.text("protocol") {
            Some((word, place)) if word != self.tongue.protocol.as_str() => {
                let message =
                    format!("policy `{name}` is written for {word}, this conduit speaks {}", self.tongue.protocol);
                let fault = Fault::new(codes::OTHER_PROTOCOL, at, message, "cannot be used here");
                let help = "write a policy of the conduit's protocol, and name it here";
                faults.add(fault.also(place, "its protocol").help(help.to_owned()));
            }
            Some(_) | None => self.table(table, faults),
        }
    }

    fn table(&mut self, table: &Table, faults: &mut Faults) {
        for (key, allow) in [("allow", true), ("deny", false)] {
            for text in table.texts(key) {
                self.sentence(text, allow, faults);
            }
        }
    }

    fn sentence(&mut self, (text, at): Text<'_>, allow: bool, faults: &mut Faults) {
        match Sentence::parse(text, Form::Rule, self.tongue.protocol.grammar(), self.tongue.addressing) {
            Ok(sentence) => {
                self.names(&sentence, (text, at), faults);
                self.add(sentence, allow, at, faults);
            }
            Err(wrong) => wrong.into_iter().for_each(|one| faults.add(fault(self.ground, (text, at), one))),
        }
    }

    fn add(&mut self, sentence: Sentence, allow: bool, at: &At, faults: &mut Faults) {
        let canonical = sentence.print(self.tongue.protocol.grammar());
        let text = if allow { canonical } else { format!("deny {canonical}") };
        let id = id(&text);
        if let Some(first) = self.ids.get(&id).and_then(|place| self.rules.get(*place)) {
            faults.add(again(first, &text, at));
            return;
        }
        self.ids.insert(id.clone(), self.rules.len());
        let rule = Rule { id, sentence, text, allow, place: self.ground.sources.place(at) };
        self.rules.push(Placed { rule, at: at.clone() });
    }

    /// WHO, the schedule and the budget exist.
    fn names(&self, sentence: &Sentence, text: Text<'_>, faults: &mut Faults) {
        let ground = self.ground;
        let who = sentence.who.as_deref().unwrap_or("any");
        if who != "any" && !ground.has(ROLE, who) && !ground.has(IDENTITY, who) {
            let known = ground.names(ROLE).chain(ground.names(IDENTITY)).chain(["any"]);
            let help =
                did_you_mean(who, known).unwrap_or_else(|| format!("define [roles.{who}] or [identities.{who}]"));
            let message = format!("there is no role or identity `{who}`");
            let at = word_at(ground, text, 0, who);
            faults.add(Fault::new(codes::UNKNOWN_WHO, &at, message, "not defined").help(help));
        }
        let schedule = sentence.during.as_ref().map(|during| (SCHEDULE, during.schedule.as_str(), "during"));
        let budget = sentence.spends.as_deref().map(|name| (BUDGET, name, "spends"));
        for (noun, name, clause) in schedule.into_iter().chain(budget) {
            self.named(noun, name, clause, text, faults);
        }
    }

    fn named(&self, noun: Noun, name: &str, clause: &str, text: Text<'_>, faults: &mut Faults) {
        let from = text.0.find(clause).unwrap_or(0);
        let at = word_at(self.ground, text, from, name);
        self.ground.find(noun, (name, &at), faults);
    }
}

/// The id of `first` again. The same text counts once; another text with the same 32 bits is refused, because a rule that is
/// left out could be a deny.
fn again(first: &Placed, text: &str, at: &At) -> Fault {
    if first.rule.text == text {
        let fault = Fault::new(codes::OVERLAP, at, "this rule stands twice", "counts once");
        return fault.also(&first.at, "the same rule").help("take one of them out".to_owned());
    }
    let message = format!("two different rules of this conduit have the id {}", first.rule.id);
    Fault::new(codes::RULE, at, message, "cannot be told apart in metrics and audit")
        .also(&first.at, "the other one")
        .help("word one of them differently, for example with its ranges in two rules".to_owned())
}

/// `r-` and the first 8 hex digits of the SHA-256 of the canonical text.
fn id(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("r-{}", hex(digest.get(..4).unwrap_or_default()))
}

/// A sentence's fault, placed in the file.
pub(super) fn fault(ground: &Ground<'_>, text: Text<'_>, wrong: SentenceFault) -> Fault {
    let code = match wrong.kind {
        FaultKind::UnknownWord => codes::WORD,
        FaultKind::Missing => codes::INCOMPLETE,
        FaultKind::BadNumber => codes::NUMBER,
        FaultKind::ReversedRange => codes::REVERSED,
        FaultKind::Order => codes::ORDER,
        FaultKind::Conflict => codes::CONFLICT,
        FaultKind::Addressing => codes::ADDRESSING,
        FaultKind::NotServed => codes::NOT_SERVED,
    };
    Fault::new(code, &inside(ground, text, wrong.span), wrong.message, wrong.label).help(wrong.help)
}

/// The place of the first `word` after byte `from` of the text.
fn word_at(ground: &Ground<'_>, text: Text<'_>, from: usize, word: &str) -> At {
    let found = text.0.get(from..).and_then(|rest| rest.find(word)).map(|at| from + at);
    found.map_or_else(|| text.1.clone(), |at| inside(ground, text, at..at + word.len()))
}

/// Bytes of a string's value as bytes of its file. Where escapes stand between, the whole string.
fn inside(ground: &Ground<'_>, (text, at): Text<'_>, span: Range<usize>) -> At {
    let raw = ground.sources.of(at).and_then(|source| source.text.get(at.span.clone()));
    // One quote, or three and the line break that TOML drops after them.
    let shift =
        raw.and_then(|raw| [1, 3, 4, 5].into_iter().find(|shift| raw.get(*shift..shift + text.len()) == Some(text)));
    match shift {
        Some(shift) if span.end <= text.len() && span.start <= span.end => {
            let start = at.span.start + shift;
            At { file: at.file, span: start + span.start..start + span.end }
        }
        _ => at.clone(),
    }
}
