//! How does a text become a sentence?
//!
//! ```text
//! text -> lex (words and signs with their bytes) -> parse (WHO CLASS OBJECT RANGES) + clauses -> Draft -> check -> Sentence
//!
//! | clause         | written                                               | stands with                                   |
//! |----------------|-------------------------------------------------------|-----------------------------------------------|
//! | `bit`          | `bit 3`                                               | one register, written                         |
//! | `unit`         | `unit 1-5, 9` (`Grammar::unit_word`)                  | anything                                      |
//! | `ioa`          | `ioa 7, 10-19` (`Grammar::index_word`)                | where ranges do not follow the object's word  |
//! | `=`            | `= 5`, `= 0..1500`, `= 1, 2`, `= on`, `= [0, 1500]`   | write and control of bits and registers       |
//! | `qualifier`    | `qualifier 20` (`Grammar::qualifier_word`)            | acts that the protocol qualifies              |
//! | `step`         | `step 100 up or to 0 from input 12`                   | write and control of registers                |
//! | `as`           | `as f32 swapped`                                      | registers; `as bool` bits                     |
//! | `whole`        | `whole`                                               | write and control of a range                  |
//! | `via`          | `via 6, 16`, `via 43/14`                              | functions that the class has on the object    |
//! | `exactly`      | `exactly`                                             | objects with twins (`Grammar::twins`)         |
//! | `select-first` | `select-first`                                        | protocols with a select (`Grammar::selects`)  |
//! | `when`         | `when discrete 20 = on`                               | any readable point                            |
//! | `max`          | `max 6/min each`                                      | classes that change something                 |
//! | `spends`       | `spends breakers`                                     | classes that change something                 |
//! | `during`       | `during not day-shift`                                | anything                                      |
//! | `always`       | `always`                                              | values written one by one                     |
//! ```
//!
//! The table's order is the order of the clauses. From `step` to `always`, `as` and `via` excepted, a clause belongs to
//! rules: a deed (`Form::Deed`) has none of them. Lists and ranges stay in the order in which they were written, nothing
//! is merged; blanks and the forms of numbers (`0x1F`, `007`, `0..0`) are lost, and for a bit 0 and 1 mean off and on.

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    Addressing, FaultKind, Form, Grammar, Index, Sentence, SentenceFault,
    address::Reading,
    check,
    clause::Clause,
    clauses::Draft,
    lex::{Kind, Span, Spanned, Token, tokens},
    near,
};
use crate::{deed::ObjectId, vocab::Class};

/// A deed of 2000 coils, each ` off,`, takes 10 KiB; this leaves room for hand-written lists and bounds the work.
const LONGEST: usize = 65_536;
/// Nobody reads more faults of one sentence.
const MOST_FAULTS: usize = 64;
/// `[a-z0-9-]{1,32}`.
const NAME_LONGEST: usize = 32;

pub(super) fn sentence(
    text: &str,
    form: Form,
    grammar: &Grammar,
    addressing: Addressing,
) -> Result<Sentence, Vec<SentenceFault>> {
    if text.len() > LONGEST {
        let all = Span { start: 0, end: text.len() };
        let label = format!("longer than {LONGEST} bytes");
        return Err(vec![all.fault(FaultKind::Conflict, "the sentence is too long", label, "write several")]);
    }
    let mut parser = Parser::new(text, grammar, addressing);
    let draft = parser.draft(form);
    let mut faults = parser.faults;
    check::check(&draft, form, grammar, addressing, &mut faults);
    match draft.finish(grammar) {
        Some(sentence) if faults.is_empty() => Ok(sentence),
        _ => {
            faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
            faults.truncate(MOST_FAULTS);
            Err(faults)
        }
    }
}

/// The words that are left, and what was wrong with those before.
pub(super) struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    next: usize,
    pub(super) grammar: &'t Grammar,
    pub(super) addressing: Addressing,
    pub(super) faults: Vec<SentenceFault>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, grammar: &'t Grammar, addressing: Addressing) -> Self {
        Self { tokens: tokens(text), next: 0, grammar, addressing, faults: Vec::new() }
    }

    fn draft(&mut self, form: Form) -> Draft {
        let mut draft = Draft::default();
        if self.tokens.is_empty() {
            let example = "write it like `hmi read holding 0-99`";
            self.faults.push(self.here().fault(FaultKind::Missing, "the sentence is empty", "nothing here", example));
            return draft;
        }
        draft.who = match form {
            Form::Rule => self.who(),
            Form::Deed => {
                self.no_who();
                None
            }
        };
        draft.class = self.class();
        if draft.class.is_none() && self.peek().is_none() {
            return draft;
        }
        draft.twin = self.peek().and_then(|token| self.grammar.twin(token.text)?.function);
        draft.object = self.object();
        match draft.object {
            Some(object) => draft.ranges = self.ranges(object.is),
            None => self.skip_to_clause(false),
        }
        self.clauses(&mut draft);
        draft
    }

    /// WHO. A sentence that starts with a class and goes on without one has none.
    fn who(&mut self) -> Option<String> {
        let first = self.peek()?;
        let second_is_class = self.peek_second().is_some_and(|token| Class::parse(token.text).is_some());
        if first.kind == Kind::Word && Class::parse(first.text).is_some() && !second_is_class {
            let help = format!("write a role, an identity or `any` before `{}`", first.text);
            self.faults.push(first.at.fault(FaultKind::Missing, "WHO is missing", "a rule starts with WHO", help));
            return None;
        }
        match self.name("a role, an identity or `any`") {
            Ok(name) => Some(name),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    fn no_who(&mut self) {
        let (Some(first), Some(second)) = (self.peek(), self.peek_second()) else { return };
        if Class::parse(first.text).is_none() && Class::parse(second.text).is_some() {
            let help = format!("start with `{}`; the identity is given beside the sentence", second.text);
            self.faults.push(first.at.fault(FaultKind::Conflict, "WHO is left out here", "not expected here", help));
            self.next = self.next.saturating_add(1);
        }
    }

    fn class(&mut self) -> Option<Spanned<Class>> {
        let classes = Class::ALL.iter().map(|class| class.as_str());
        let missing = match self.peek() {
            Some(token) if token.kind == Kind::Word => {
                if let Some(is) = Class::parse(token.text) {
                    self.next = self.next.saturating_add(1);
                    return Some(Spanned { is, at: token.at });
                }
                self.object_named(token.text).is_some()
            }
            _ => true,
        };
        let token = self.peek();
        let at = token.map_or(self.here(), |token| token.at);
        if missing {
            let help = near::help("", classes);
            self.faults.push(at.fault(FaultKind::Missing, "the class is missing", "a class is expected", help));
            return None;
        }
        let word = token.map_or("", |token| token.text);
        let help = near::help(word, classes);
        self.faults.push(at.fault(FaultKind::UnknownWord, format!("`{word}` is not a class"), "unknown class", help));
        self.next = self.next.saturating_add(1);
        None
    }

    /// The object's word. One that this version does not serve is refused by name, and read on.
    pub(super) fn object(&mut self) -> Option<Spanned<ObjectId>> {
        let token = match self.word("an object") {
            Ok(token) => token,
            Err(fault) => {
                self.faults.push(fault);
                return None;
            }
        };
        let Some(id) = self.object_named(token.text) else {
            let help = near::help(token.text, self.object_words());
            let message = format!("`{}` is not an object of this protocol", token.text);
            self.faults.push(token.at.fault(FaultKind::UnknownWord, message, "unknown object", help));
            return None;
        };
        if self.grammar.object(id).is_some_and(|object| !object.served) {
            let message = format!("`{}` is not served by this version", token.text);
            self.faults.push(token.at.fault(FaultKind::NotServed, message, "not served yet", "leave it out"));
        }
        Some(Spanned { is: id, at: token.at })
    }

    fn object_named(&self, word: &str) -> Option<ObjectId> {
        let place = self.grammar.objects.iter().position(|object| object.word == word);
        let named = place.and_then(|place| u8::try_from(place).ok()).map(ObjectId);
        named.or_else(|| self.grammar.twin(word).map(|twin| twin.object))
    }

    fn object_words(&self) -> impl Iterator<Item = &'static str> + Clone {
        let words = self.grammar.objects.iter().map(|object| object.word);
        words.chain(self.grammar.twins.iter().map(|twin| twin.word))
    }

    fn ranges(&mut self, object: ObjectId) -> Vec<Spanned<(u32, u32)>> {
        let follows = self.peek().is_some_and(|token| token.text.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
        let follows = follows && self.grammar.index_word.is_none();
        let Some(object) = self.grammar.object(object).filter(|_| follows) else { return Vec::new() };
        let reading = Reading { grammar: self.grammar, object, addressing: self.addressing };
        if object.index == Index::None {
            let at = self.peek().map_or(self.here(), |token| token.at);
            self.faults.extend(reading.range("", at).err());
            self.skip_to_clause(false);
            return Vec::new();
        }
        self.list("an index", &|text, at| reading.range(text, at))
    }

    fn clauses(&mut self, draft: &mut Draft) {
        while let Some(token) = self.peek() {
            let Some(clause) = Clause::of(token, self.grammar) else {
                self.stray(token);
                self.next = self.next.saturating_add(1);
                self.skip_to_clause(draft.has(Clause::Values));
                continue;
            };
            self.next = self.next.saturating_add(1);
            self.in_order(clause, token, draft);
            draft.seen.push(Spanned { is: clause, at: token.at });
            if let Err(fault) = self.clause(clause, token.at, draft) {
                self.faults.push(fault);
                self.skip_to_clause(clause == Clause::When || draft.has(Clause::Values));
            }
        }
    }

    fn in_order(&mut self, clause: Clause, token: Token<'_>, draft: &Draft) {
        let word = token.text;
        if draft.has(clause) {
            let message = format!("`{word}` stands twice");
            self.faults.push(token.at.fault(FaultKind::Order, message, "the second one", "write it once"));
            return;
        }
        let before = draft.seen.iter().map(|seen| seen.is).filter(|seen| *seen > clause).min();
        if let Some(before) = before {
            let before = before.word(self.grammar);
            let message = format!("`{word}` stands after `{before}`");
            let help = format!("move it before `{before}`");
            self.faults.push(token.at.fault(FaultKind::Order, message, "out of order", help));
        }
    }

    /// Words that no clause takes.
    fn stray(&mut self, token: Token<'_>) {
        let text = token.text;
        let help = if text.starts_with('-') || text.starts_with("..") {
            String::from("write a range without blanks: 0-99 for indexes, 0..99 for values")
        } else if text.starts_with(|c: char| c.is_ascii_digit()) {
            match self.grammar.index_word {
                Some(word) => format!("write `{word} {text}`, or put a comma between several"),
                None => String::from("put a comma between several"),
            }
        } else {
            let words = Clause::words(self.grammar).map(|(_, word)| word);
            near::nearest(text, words).map_or(String::new(), |word| format!("did you mean `{word}`?"))
        };
        let message = format!("`{text}` is not expected here");
        self.faults.push(token.at.fault(FaultKind::UnknownWord, message, "no clause starts with this", help));
    }

    /// Passes over what belongs to a broken part, up to the next clause.
    fn skip_to_clause(&mut self, equals_too: bool) {
        while let Some(token) = self.peek() {
            match Clause::of(token, self.grammar) {
                Some(Clause::Values) if equals_too => {}
                Some(_) => return,
                None => {}
            }
            self.next = self.next.saturating_add(1);
        }
    }

    /// Items between commas; a broken one does not hide those behind it.
    pub(super) fn list<T>(
        &mut self,
        what: &str,
        item: &dyn Fn(&str, Span) -> Result<T, SentenceFault>,
    ) -> Vec<Spanned<T>> {
        let mut all = Vec::new();
        loop {
            match self.word(what).map(|token| (token, item(token.text, token.at))) {
                Ok((token, Ok(is))) => all.push(Spanned { is, at: token.at }),
                Ok((_, Err(fault))) => self.faults.push(fault),
                Err(fault) => {
                    self.faults.push(fault);
                    return all;
                }
            }
            if !self.sign(Kind::Comma) {
                return all;
            }
        }
    }

    /// The next word, where it is one that starts no clause.
    pub(super) fn word(&mut self, what: &str) -> Result<Token<'t>, SentenceFault> {
        match self.peek() {
            Some(token) if token.kind == Kind::Word && Clause::of(token, self.grammar).is_none() => {
                self.next = self.next.saturating_add(1);
                Ok(token)
            }
            other => Err(self.missing(what, other)),
        }
    }

    /// A name of the configuration: any word of its form, even one that elsewhere starts a clause.
    pub(super) fn name(&mut self, what: &str) -> Result<String, SentenceFault> {
        let token = match self.peek() {
            Some(token) if token.kind == Kind::Word => token,
            other => return Err(self.missing(what, other)),
        };
        self.next = self.next.saturating_add(1);
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if token.text.len() <= NAME_LONGEST && token.text.bytes().all(fits) {
            return Ok(String::from(token.text));
        }
        let message = format!("`{}` is not a name", token.text);
        let help = "names are 1 to 32 of a-z, 0-9 and -";
        Err(token.at.fault(FaultKind::UnknownWord, message, format!("expected {what}"), help))
    }

    fn missing(&self, what: &str, found: Option<Token<'_>>) -> SentenceFault {
        let (at, label) = match found {
            Some(token) => (token.at, format!("{what} is expected before this")),
            None => (self.here(), String::from("the sentence ends here")),
        };
        let help = match what {
            "a value" => "write what may stand there, such as `= on`, `= 5` or `= 0..1500`",
            "a bit's number" => "write 0 to 15",
            "an index" | "an address" => "write it like `holding 0-99`",
            "an object" => "name what it is about, such as `holding 0-99`",
            "a unit" => "write it like `unit 1`",
            "a function code" => "write it like `via 16`",
            "a budget's name" => "name one of [budgets]",
            "a schedule's name" => "name one of [schedules]",
            "the size of the step" => "write it like `step 100 up`",
            "a type" => "write it like `as f32`",
            "a rate" => "write it like `max 6/min`",
            _ => "write it like `hmi read holding 0-99`",
        };
        at.fault(FaultKind::Missing, format!("{what} is missing"), label, help)
    }

    /// Takes the next token where it is this sign.
    pub(super) fn sign(&mut self, kind: Kind) -> bool {
        let found = self.peek().is_some_and(|token| token.kind == kind);
        if found {
            self.next = self.next.saturating_add(1);
        }
        found
    }

    /// Takes the next token where it is this word.
    pub(super) fn taken(&mut self, word: &str) -> Option<Span> {
        let token = self.peek().filter(|token| token.kind == Kind::Word && token.text == word)?;
        self.next = self.next.saturating_add(1);
        Some(token.at)
    }

    /// The last token taken.
    pub(super) fn behind(&self) -> Span {
        self.next.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(self.here(), |token| token.at)
    }

    pub(super) fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.next).copied()
    }

    fn peek_second(&self) -> Option<Token<'t>> {
        self.tokens.get(self.next.saturating_add(1)).copied()
    }

    /// The place behind the last word: where something is missing.
    fn here(&self) -> Span {
        let end = self.tokens.last().map_or(0, |token| token.at.end);
        self.peek().map_or(Span { start: end, end }, |token| token.at)
    }
}
