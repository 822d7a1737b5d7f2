//! Which patterns of bits does a value clause admit, and which clause admits these patterns?
//!
//! An element is compared as the whole number that its bits make, most significant word first once the words are in order.
//! A clause is then a few runs of such numbers, whatever its format: a float's order is that of its bits on either side of zero.

use sluicegate_proto::sentence::{Format, Num};

/// Runs of patterns, sorted, disjoint, never adjacent.
pub(super) type Runs = Vec<(u64, u64)>;

/// All patterns of so many bits.
pub(super) fn full(bits: u32) -> Runs {
    vec![(0, highest(bits))]
}

pub(super) fn highest(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |above| above - 1)
}

/// Sorted, and what touches made one.
pub(super) fn tidy(mut runs: Runs) -> Runs {
    runs.sort_unstable();
    let mut tidy: Runs = Vec::with_capacity(runs.len());
    for (first, last) in runs {
        match tidy.last_mut() {
            Some(before) if before.1 == u64::MAX || first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => tidy.push((first, last)),
        }
    }
    tidy
}

pub(super) fn union(one: &Runs, other: &Runs) -> Runs {
    tidy(one.iter().chain(other).copied().collect())
}

pub(super) fn intersect(one: &Runs, other: &Runs) -> Runs {
    let (mut a, mut b, mut both) = (0, 0, Runs::new());
    while let (Some(x), Some(y)) = (one.get(a), other.get(b)) {
        let (first, last) = (x.0.max(y.0), x.1.min(y.1));
        if first <= last {
            both.push((first, last));
        }
        if x.1 < y.1 { a += 1 } else { b += 1 }
    }
    both
}

pub(super) fn holds(runs: &Runs, pattern: u64) -> bool {
    let after = runs.partition_point(|(first, _)| *first <= pattern);
    after > 0 && runs[after - 1].1 >= pattern
}

/// What is NaN or infinite under a format.
pub(super) fn not_finite(format: Format) -> Runs {
    match format {
        Format::F32 => vec![(0x7F80_0000, 0x7FFF_FFFF), (0xFF80_0000, 0xFFFF_FFFF)],
        Format::F64 => vec![(0x7FF0_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF), (0xFFF0_0000_0000_0000, u64::MAX)],
        _ => Runs::new(),
    }
}

pub(super) fn finite(format: Format) -> Runs {
    match format {
        Format::F32 => vec![(0, 0x7F7F_FFFF), (0x8000_0000, 0xFF7F_FFFF)],
        Format::F64 => vec![(0, 0x7FEF_FFFF_FFFF_FFFF), (0x8000_0000_0000_0000, 0xFFEF_FFFF_FFFF_FFFF)],
        _ => full(bits(format)),
    }
}

pub(super) fn bits(format: Format) -> u32 {
    if format == Format::Bool { 1 } else { 16 * format.registers() }
}

/// The patterns that a clause admits under a format, as the judge compares them: a decimal of an `f32` clause means the
/// nearest single, one of an integer clause bounds the integers between.
pub(super) fn of_clause(clause: &[(Num, Num)], format: Format) -> Runs {
    tidy(clause.iter().flat_map(|pair| of_pair(*pair, format)).collect())
}

fn of_pair((from, to): (Num, Num), format: Format) -> Runs {
    match format {
        Format::F32 => of_reals(f64::from(real(from) as f32), f64::from(real(to) as f32), format),
        Format::F64 => of_reals(real(from), real(to), format),
        _ => {
            let (lowest, highest) = format.integers().unwrap_or((0, 0));
            let low = whole(from, f64::ceil).max(lowest);
            let high = whole(to, f64::floor).min(highest);
            of_wholes(low, high, format)
        }
    }
}

/// Zero has two patterns, and a clause that admits zero admits both.
fn of_reals(low: f64, high: f64, format: Format) -> Runs {
    let pattern = |real: f64| match format {
        Format::F32 => u64::from((real as f32).to_bits()),
        _ => real.to_bits(),
    };
    let mut runs = Runs::new();
    if high >= 0.0 {
        runs.push((pattern(low.max(0.0).abs()), pattern(high.abs())));
    }
    if low <= 0.0 {
        runs.push((pattern(-(high.min(0.0).abs())), pattern(-low.abs())));
    }
    runs
}

fn of_wholes(low: i128, high: i128, format: Format) -> Runs {
    if low > high {
        return Runs::new();
    }
    let above = 1i128 << bits(format);
    let pattern = |whole: i128| u64::try_from(if whole < 0 { whole + above } else { whole }).unwrap_or(u64::MAX);
    let mut runs = Runs::new();
    if low < 0 {
        runs.push((pattern(low), pattern(high.min(-1))));
    }
    if high >= 0 {
        runs.push((pattern(low.max(0)), pattern(high)));
    }
    runs
}

/// The clause of a format that admits exactly these patterns, where there is one.
pub(super) fn to_clause(runs: &Runs, format: Format) -> Option<Vec<(Num, Num)>> {
    let clause: Vec<_> = match format {
        Format::F32 | Format::F64 => reals(runs, format),
        Format::Bool => runs.iter().flat_map(|(first, last)| *first..=*last).map(|bit| switch(bit == 1)).collect(),
        _ => wholes(runs, format),
    };
    let numbers = intersect(runs, &not_finite(format)).is_empty();
    (numbers && of_clause(&clause, format) == *runs).then_some(clause)
}

fn switch(on: bool) -> (Num, Num) {
    (Num::Bool(on), Num::Bool(on))
}

fn wholes(runs: &Runs, format: Format) -> Vec<(Num, Num)> {
    let signed = format.integers().is_some_and(|(lowest, _)| lowest < 0);
    let (half, above) = (1i128 << (bits(format) - 1), 1i128 << bits(format));
    let mut pairs: Vec<(i128, i128)> = Vec::new();
    for (first, last) in runs.iter().map(|(first, last)| (i128::from(*first), i128::from(*last))) {
        if !signed {
            pairs.push((first, last));
            continue;
        }
        if first < half {
            pairs.push((first, last.min(half - 1)));
        }
        if last >= half {
            pairs.push((first.max(half) - above, last - above));
        }
    }
    pairs.sort_unstable();
    let mut merged: Vec<(i128, i128)> = Vec::new();
    for (low, high) in pairs {
        match merged.last_mut() {
            Some(before) if low <= before.1 + 1 => before.1 = high,
            _ => merged.push((low, high)),
        }
    }
    merged.into_iter().map(|(low, high)| (Num::Int(low), Num::Int(high))).collect()
}

fn reals(runs: &Runs, format: Format) -> Vec<(Num, Num)> {
    let sign = 1u64 << (bits(format) - 1);
    let real = |pattern: u64| match format {
        Format::F32 => {
            let real = f32::from_bits(u32::try_from(pattern).unwrap_or(u32::MAX));
            // The shortest decimal whose nearest single is this one, unless it is larger than any single.
            let short = format!("{real:?}").parse().unwrap_or_else(|_| f64::from(real));
            if short.abs() > f64::from(f32::MAX) { f64::from(real) } else { short }
        }
        _ => f64::from_bits(pattern),
    };
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for (first, last) in runs.iter().copied() {
        if first < sign {
            pairs.push((real(first), real(last.min(sign - 1))));
        }
        if last >= sign {
            pairs.push((real(last), real(first.max(sign))));
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (low, high) in pairs {
        match merged.last_mut() {
            Some(before) if before.1 == 0.0 && low == 0.0 => before.1 = high,
            _ => merged.push((low, high)),
        }
    }
    let plain = |real: f64| Num::Float(if real == 0.0 { 0.0 } else { real });
    merged.into_iter().map(|(low, high)| (plain(low), plain(high))).collect()
}

fn real(num: Num) -> f64 {
    match num {
        Num::Int(whole) => whole as f64,
        Num::Float(real) => real,
        Num::Bool(on) => f64::from(u8::from(on)),
    }
}

fn whole(num: Num, round: fn(f64) -> f64) -> i128 {
    match num {
        Num::Int(whole) => whole,
        Num::Bool(on) => i128::from(on),
        Num::Float(real) => round(real) as i128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(low: i128, high: i128) -> (Num, Num) {
        (Num::Int(low), Num::Int(high))
    }

    #[test]
    fn a_clause_becomes_patterns_and_comes_back() {
        for (clause, format, runs) in [
            (vec![int(0, 1500)], Format::U16, vec![(0, 1500)]),
            (vec![int(1, 2), int(5, 5)], Format::U16, vec![(1, 2), (5, 5)]),
            (vec![int(-5, 5)], Format::I16, vec![(0, 5), (0xFFFB, 0xFFFF)]),
            (vec![int(-2, -1)], Format::I32, vec![(0xFFFF_FFFE, 0xFFFF_FFFF)]),
            (vec![int(0, i128::from(u64::MAX))], Format::U64, vec![(0, u64::MAX)]),
            (vec![switch(true)], Format::Bool, vec![(1, 1)]),
            (
                vec![(Num::Float(-20.0), Num::Float(80.0))],
                Format::F32,
                vec![(0, 0x42A0_0000), (0x8000_0000, 0xC1A0_0000)],
            ),
            (vec![(Num::Float(0.1), Num::Float(0.1))], Format::F32, vec![(0x3DCC_CCCD, 0x3DCC_CCCD)]),
            (vec![(Num::Float(0.0), Num::Float(0.0))], Format::F64, vec![(0, 0), (1 << 63, 1 << 63)]),
        ] {
            assert_eq!(of_clause(&clause, format), runs, "{clause:?}");
            assert_eq!(to_clause(&runs, format), Some(clause));
        }
        let decimals = [(Num::Float(0.5), Num::Float(9.5))];
        assert_eq!(of_clause(&decimals, Format::U16), [(1, 9)], "the integers between");
        assert_eq!(to_clause(&vec![(0, 0)], Format::F32), None, "zero without its other pattern");
        assert_eq!(to_clause(&vec![(0x7F80_0000, 0x7F80_0000)], Format::F32), None, "infinity");
    }

    #[test]
    fn runs_are_sets() {
        let one = tidy(vec![(5, 9), (0, 2), (10, 12), (3, 3)]);
        assert_eq!(one, [(0, 3), (5, 12)]);
        assert_eq!(intersect(&one, &vec![(2, 6), (12, 20)]), [(2, 3), (5, 6), (12, 12)]);
        assert_eq!(union(&one, &vec![(4, 4)]), [(0, 12)]);
        assert!(holds(&one, 3) && !holds(&one, 4) && !holds(&one, 13));
        assert_eq!(full(64), [(0, u64::MAX)]);
        assert_eq!(tidy(vec![(0, u64::MAX), (4, 4)]), [(0, u64::MAX)]);
    }
}
