//! What is to be measured: which contenders, which scenarios, how often, how long?

use std::{path::PathBuf, time::Duration};

use crate::{
    contender::{self, Contender},
    scenario::{self, Scenario},
};

/// One run.
pub(crate) struct Plan {
    pub(crate) contenders: Vec<Contender>,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) rounds: usize,
    pub(crate) seconds: Duration,
    /// A quick run shows that everything works; nobody quotes it.
    pub(crate) quick: bool,
    pub(crate) out: PathBuf,
    /// The page of this earlier run is to be printed, and nothing measured.
    pub(crate) render: Option<PathBuf>,
    /// Into this page, instead of onto the terminal.
    pub(crate) page: Option<PathBuf>,
}

const QUICK_CONTENDERS: &[&str] = &["direct", "null-relay", "nginx", "sluicegate"];
const QUICK_SCENARIOS: &[&str] = &["closed-32", "open-1000", "churn"];

impl Plan {
    /// From the command line.
    pub(crate) fn of(words: &[String]) -> Result<Self, String> {
        let mut plan = Self {
            contenders: contender::all(),
            scenarios: scenario::all(),
            rounds: 5,
            seconds: Duration::from_millis(1200),
            quick: false,
            out: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("versus"),
            render: None,
            page: None,
        };
        let (mut contenders, mut scenarios): (Option<Vec<String>>, Option<Vec<String>>) = (None, None);
        let (mut rounds, mut seconds) = (None, None);
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                // Cargo's own word for every bench.
                "--bench" => {}
                "--quick" => plan.quick = true,
                "--rounds" => rounds = Some(number(value()?)?),
                "--seconds" => seconds = Some(duration(value()?)?),
                "--contenders" => contenders = Some(list(value()?)),
                "--scenarios" => scenarios = Some(list(value()?)),
                "--out" => plan.out = value()?.into(),
                "--page" => plan.page = Some(value()?.into()),
                "--render" => plan.render = Some(value()?.into()),
                _ => {
                    return Err(format!(
                        "what is {word}? known: --quick --rounds --seconds --contenders --scenarios --out --render --page"
                    ));
                }
            }
        }
        if plan.quick {
            contenders = contenders.or_else(|| Some(QUICK_CONTENDERS.iter().map(ToString::to_string).collect()));
            scenarios = scenarios.or_else(|| Some(QUICK_SCENARIOS.iter().map(ToString::to_string).collect()));
            (plan.rounds, plan.seconds) = (3, Duration::from_secs(1));
        }
        plan.rounds = rounds.unwrap_or(plan.rounds).max(1);
        plan.seconds = seconds.unwrap_or(plan.seconds).max(Duration::from_millis(200));
        keep(&mut plan.contenders, |one| one.name, contenders)?;
        keep(&mut plan.scenarios, |one| one.name, scenarios)?;
        Ok(plan)
    }
}

impl Plan {
    /// About how long it will take with the contenders that are `here`.
    pub(crate) fn estimate(&self, here: &[&Contender]) -> Duration {
        let of = |scenario: &Scenario| {
            let takers = here.iter().filter(|one| scenario.takes(one)).count() * scenario.rounds(self.rounds);
            scenario.estimate(self.seconds) * u32::try_from(takers).unwrap_or(u32::MAX)
        };
        self.scenarios.iter().map(of).sum()
    }
}

/// Keeps those that are named; a name that nothing has is a fault.
fn keep<T>(all: &mut Vec<T>, name: impl Fn(&T) -> &'static str, named: Option<Vec<String>>) -> Result<(), String> {
    let Some(named) = named else { return Ok(()) };
    let known: Vec<&str> = all.iter().map(&name).collect();
    if let Some(stranger) = named.iter().find(|one| !known.contains(&one.as_str())) {
        return Err(format!("there is no {stranger}; there are: {}", known.join(", ")));
    }
    all.retain(|one| named.iter().any(|word| word == name(one)));
    Ok(())
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{text}: {error}"))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
