//! How does each clause of a sentence look, and what does it say?

use alloc::{format, string::String, vec::Vec};

use super::{Grammar, clause::Clause};

/// One clause, for the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseForm {
    /// How it is written: `step N [up|down] [or to V,..] [from OBJECT N]`.
    pub form: String,
    /// What it says, in one line.
    pub says: &'static str,
    /// Whether it stands in rules only; the others also stand in printed deeds and in what `explain` is asked.
    pub rules_only: bool,
    /// `false`: known to the language, refused by name.
    pub served: bool,
}

/// The clauses of a protocol's sentences, in the order in which they stand.
pub fn clause_forms(grammar: &Grammar) -> Vec<ClauseForm> {
    let form = |clause: &Clause| {
        let (takes, says) = clause.takes();
        let word = clause.word(grammar);
        let form = if takes.is_empty() { String::from(word) } else { format!("{word} {takes}") };
        ClauseForm { form, says, rules_only: clause.is_for_rules(), served: clause.is_served(grammar) }
    };
    Clause::words(grammar).map(|(clause, _)| form(&clause)).collect()
}

impl Clause {
    fn takes(self) -> (&'static str, &'static str) {
        match self {
            Self::Bit => ("N", "one bit, 0 to 15, of a register"),
            Self::Unit => ("N,..", "the units behind the device's address; absent: every unit of the conduit"),
            Self::Index => ("N, N-N", "the object's indexes; absent: every one"),
            Self::Qualifier => ("N, N-N", "how the act is qualified, by the octet on the wire; absent: in any way"),
            Self::Values => ("VALUES", "what may be written: `5`, `0..1500`, `1, 2, 5`, `on`, or `[1, 2]` one by one"),
            Self::Step => (
                "N [up|down] [or to V,..] [from OBJECT N]",
                "the largest change against what the device holds; `or to` is always reachable",
            ),
            Self::As => ("TYPE [swapped]", "`u16 i16 u32 i32 f32 u64 i64 f64`; `swapped`: little-endian word order"),
            Self::Whole => ("", "only the entire range at once"),
            Self::Via => ("FUNCTIONS", "only these function codes"),
            Self::Exactly => ("", "not the twin of the function"),
            Self::SelectFirst => ("", "only what was selected before"),
            Self::When => ("OBJECT N = VALUES", "a condition on the process; unknown is refused"),
            Self::Max => ("N/s|min|h [each]", "one bucket for all who match; `each`: one for each identity"),
            Self::Spends => ("BUDGET", "a bucket of `[budgets]` that several rules share"),
            Self::During => ("[not] SCHEDULE", "a schedule of `[schedules]`"),
            Self::Always => ("", "ignores rate, `max`, `step`, `when` and schedule; needs closed values"),
        }
    }
}
