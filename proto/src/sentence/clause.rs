//! Which clauses are there, and which of them does a grammar have?

use super::{
    Grammar,
    lex::{Kind, Token},
};

/// The clauses, in the order in which they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clause {
    Bit,
    Unit,
    Index,
    Values,
    Qualifier,
    Step,
    As,
    Whole,
    Via,
    Exactly,
    SelectFirst,
    When,
    Max,
    Spends,
    During,
    Always,
}

impl Clause {
    pub(super) const ALL: &'static [Self] = &[
        Self::Bit,
        Self::Unit,
        Self::Index,
        Self::Values,
        Self::Qualifier,
        Self::Step,
        Self::As,
        Self::Whole,
        Self::Via,
        Self::Exactly,
        Self::SelectFirst,
        Self::When,
        Self::Max,
        Self::Spends,
        Self::During,
        Self::Always,
    ];

    /// Its word; empty where the grammar has no such clause.
    pub(super) fn word(self, grammar: &Grammar) -> &'static str {
        match self {
            Self::Bit => "bit",
            Self::Unit => grammar.unit_word,
            Self::Index => grammar.index_word.unwrap_or_default(),
            Self::Qualifier => grammar.qualifier_word.unwrap_or_default(),
            Self::Values => "=",
            Self::Step => "step",
            Self::As => "as",
            Self::Whole => "whole",
            Self::Via => "via",
            Self::Exactly => "exactly",
            Self::SelectFirst => "select-first",
            Self::When => "when",
            Self::Max => "max",
            Self::Spends => "spends",
            Self::During => "during",
            Self::Always => "always",
        }
    }

    /// The clause that this token starts.
    pub(super) fn of(token: Token<'_>, grammar: &Grammar) -> Option<Self> {
        match token.kind {
            Kind::Word | Kind::Equals => Self::words(grammar).find(|(_, word)| *word == token.text).map(|(one, _)| one),
            Kind::Comma | Kind::Open | Kind::Close => None,
        }
    }

    /// Whether it stands in rules only.
    pub(super) fn is_for_rules(self) -> bool {
        match self {
            Self::Bit
            | Self::Unit
            | Self::Index
            | Self::Values
            | Self::Qualifier
            | Self::As
            | Self::Via
            | Self::Exactly
            | Self::SelectFirst => false,
            Self::Step | Self::Whole | Self::When | Self::Max | Self::Spends | Self::During | Self::Always => true,
        }
    }

    /// Whether this version serves it for this protocol; the others are known, and refused by name.
    pub(super) fn is_served(self, grammar: &Grammar) -> bool {
        match self {
            Self::Exactly => !grammar.twins.is_empty(),
            Self::SelectFirst => !grammar.selects.is_empty(),
            _ => true,
        }
    }

    /// The clauses that the grammar has, and their words.
    pub(super) fn words(grammar: &Grammar) -> impl Iterator<Item = (Self, &'static str)> {
        Self::ALL.iter().map(|one| (*one, one.word(grammar))).filter(|(_, word)| !word.is_empty())
    }
}
