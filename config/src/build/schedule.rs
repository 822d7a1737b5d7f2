//! When does a schedule hold, and which buckets do rules share?

use sluicegate_proto::{policy::BudgetPlan, sentence::Per, time::ScheduleSet};

use super::Ground;
use crate::{
    fault::{Fault, Faults},
    finding::codes,
    plan::{Schedule, Window},
    read::{scalar, tree::Text},
};

pub(super) fn schedules(ground: &Ground<'_>, faults: &mut Faults) -> Vec<Schedule> {
    let named = ground.root.named("schedules");
    if let Some((_, at, _)) = named.get(ScheduleSet::MAX) {
        let message = format!("more than {} schedules", ScheduleSet::MAX);
        let fault = Fault::new(codes::TOO_MUCH, at, message, "one too many");
        faults.add(fault.help("use one schedule for several rules".to_owned()));
    }
    let mut list = Vec::new();
    for (name, at, table) in named {
        let windows: Vec<_> = table.texts("windows").into_iter().filter_map(|text| read_window(text, faults)).collect();
        if windows.is_empty() && table.get("windows").is_some_and(|entry| entry.node.list().is_empty()) {
            let fault = Fault::new(codes::WINDOW, at, format!("schedule `{name}` has no window"), "never holds");
            faults.add(fault.help("write windows = [\"mon-fri 07:00-17:00\"]".to_owned()));
        }
        let except = table.texts("except").into_iter().filter_map(|text| date(text, faults)).collect();
        list.push(Schedule { name: name.to_owned(), windows, except });
    }
    list
}

fn read_window((text, at): Text<'_>, faults: &mut Faults) -> Option<Window> {
    let window = window(text);
    if window.is_none() {
        let fault = Fault::new(codes::WINDOW, at, format!("`{text}` is not a window"), "cannot be read");
        faults.add(
            fault.help("write days and times: mon-fri 07:00-17:00, sat,sun 22:00-06:00, daily 00:00-24:00".to_owned()),
        );
    }
    window
}

/// `mon-fri 07:00-17:00`; days are names, ranges and lists of them, or `daily`.
fn window(text: &str) -> Option<Window> {
    let mut words = text.split_whitespace();
    let (days, times) = (words.next()?, words.next()?);
    let (from, to) = times.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    // 24:00 ends a day and starts none; a window of no length is a slip.
    let fits = words.next().is_none() && from < DAY && from != to;
    fits.then_some(Window { days: days_of(days)?, from, to })
}

const DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.parse::<u16>().ok())?
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}

/// Monday is bit 0. A range may run over the week's end: `fri-mon`.
fn days_of(text: &str) -> Option<u8> {
    if text == "daily" {
        return Some(0x7f);
    }
    let day = |name: &str| DAYS.iter().position(|one| *one == name);
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        for at in 0..=length {
            days |= 1 << ((first + at) % 7);
        }
    }
    Some(days)
}

fn date((text, at): Text<'_>, faults: &mut Faults) -> Option<jiff::civil::Date> {
    let plain = text.len() == 10;
    let date = text.parse().ok().filter(|_| plain);
    if date.is_none() {
        let fault = Fault::new(codes::WINDOW, at, format!("`{text}` is not a day"), "cannot be read");
        faults.add(fault.help("write a date in quotes: \"2026-12-25\"".to_owned()));
    }
    date
}

impl Schedule {
    /// Whether it holds at this wall-clock time (a skipped hour never occurs, a repeated one counts twice). An
    /// `except` day takes away the windows that start on it, also what of them lies after midnight.
    pub fn holds(&self, at: jiff::civil::DateTime) -> bool {
        let minute = u16::try_from(i32::from(at.hour()) * 60 + i32::from(at.minute())).unwrap_or(0);
        let today = at.date();
        let starts = |day: jiff::civil::Date, window: &Window| {
            let bit = 1u8.checked_shl(u32::from(day.weekday().to_monday_zero_offset().unsigned_abs())).unwrap_or(0);
            window.days & bit != 0 && !self.except.contains(&day)
        };
        self.windows.iter().any(|window| {
            if window.from < window.to {
                return starts(today, window) && (window.from..window.to).contains(&minute);
            }
            let since_yesterday = || today.yesterday().is_ok_and(|day| starts(day, window));
            (minute >= window.from && starts(today, window)) || (minute < window.to && since_yesterday())
        })
    }
}

pub(super) fn budgets(ground: &Ground<'_>, faults: &mut Faults) -> Vec<BudgetPlan> {
    let mut list = Vec::new();
    for (name, _, table) in ground.root.named("budgets") {
        let Some(text) = table.text("rate") else { continue };
        // A stand-in for a rate that cannot be read: the rules that spend it have done nothing wrong.
        let (count, per) = budget_rate(text, faults).unwrap_or((1, Per::Hour));
        list.push(BudgetPlan { name: name.to_owned(), count, per });
    }
    list
}

fn budget_rate((text, at): Text<'_>, faults: &mut Faults) -> Option<(u32, Per)> {
    let rate = scalar::rate(text, false).ok()?;
    let per = match rate.per.as_secs() {
        1 => Per::Second,
        60 => Per::Minute,
        _ => Per::Hour,
    };
    let count = u32::try_from(rate.count).ok().filter(|_| !text.contains("burst"));
    if count.is_none() {
        let fault =
            Fault::new(codes::RATE, at, format!("`{text}` is not a budget's rate"), "a number for each s, min or h");
        let rate = text.split(" burst").next().unwrap_or(text);
        faults.add(fault.help(format!("write {rate}: a budget's bucket is as large as its number")));
    }
    Some((count?, per))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(windows: &[&str], except: &[&str]) -> Schedule {
        let windows = windows.iter().map(|text| window(text).expect("a window")).collect();
        let except = except.iter().map(|text| text.parse().expect("a date")).collect();
        Schedule { name: "s".to_owned(), windows, except }
    }

    fn holds(schedule: &Schedule, at: &str) -> bool {
        schedule.holds(at.parse().expect("a wall-clock time"))
    }

    #[test]
    fn a_window_starts_on_time_and_ends_before_its_end() {
        let shift = schedule(&["mon-fri 07:00-17:00"], &["2026-12-25"]);
        // 2026-12-24 is a Thursday.
        assert!(!holds(&shift, "2026-12-24T06:59:59"));
        assert!(holds(&shift, "2026-12-24T07:00"));
        assert!(holds(&shift, "2026-12-24T16:59:59"));
        assert!(!holds(&shift, "2026-12-24T17:00"));
        assert!(!holds(&shift, "2026-12-25T12:00"), "a holiday");
        assert!(!holds(&shift, "2026-12-26T12:00"), "a Saturday");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_starts() {
        let night = schedule(&["fri 22:00-06:00"], &[]);
        assert!(holds(&night, "2026-12-25T22:00"));
        assert!(holds(&night, "2026-12-26T05:59"));
        assert!(!holds(&night, "2026-12-26T06:00"));
        assert!(!holds(&night, "2026-12-26T22:00"), "Saturday");
        assert!(!holds(&night, "2026-12-25T05:00"), "the night of Thursday");
        let without = schedule(&["fri 22:00-06:00"], &["2026-12-25"]);
        assert!(!holds(&without, "2026-12-26T05:59"), "its night is taken away whole");
    }

    #[test]
    fn all_day_ends_at_24() {
        let always = schedule(&["daily 00:00-24:00"], &[]);
        for at in ["2026-12-25T00:00", "2026-12-25T23:59:59"] {
            assert!(holds(&always, at), "{at}");
        }
    }

    #[test]
    fn days_are_names_ranges_and_lists() {
        assert_eq!(days_of("mon"), Some(0b000_0001));
        assert_eq!(days_of("mon-fri"), Some(0b001_1111));
        assert_eq!(days_of("sat,sun"), Some(0b110_0000));
        assert_eq!(days_of("fri-mon"), Some(0b111_0001));
        for wrong in ["", "monday", "mon-", "mon,,tue", "Mon"] {
            assert_eq!(days_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_a_window_is_refused() {
        for wrong in [
            "mon",
            "mon 7:00-17:00",
            "mon 07:00",
            "mon 07:00-07:00",
            "mon 24:00-06:00",
            "mon 07:60-08:00",
            "mon 07:00-17:00 x",
            "mon 07:00-24:01",
        ] {
            assert_eq!(window(wrong), None, "{wrong}");
        }
    }
}
