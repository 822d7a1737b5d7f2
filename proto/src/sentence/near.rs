//! Which known word did somebody mean?

use alloc::{format, string::String, vec::Vec};

/// Longer words are no typing errors; the bound keeps the comparison short.
const LONGEST: usize = 32;

/// `did you mean X?`, or all words when there are few and none is near, or nothing.
pub(super) fn help<'w>(written: &str, words: impl Iterator<Item = &'w str> + Clone) -> String {
    match nearest(written, words.clone()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => {
            let all: Vec<&str> = words.collect();
            if all.is_empty() { String::new() } else { format!("one of: {}", all.join(", ")) }
        }
    }
}

/// The word with the fewest edits, where these are few for its length.
pub(super) fn nearest<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let written: Vec<char> = written.chars().take(LONGEST.saturating_add(1)).map(|c| c.to_ascii_lowercase()).collect();
    if written.len() > LONGEST {
        return None;
    }
    // `holding-register` is `holding` with a word too many.
    let begins =
        |word: &str| word.len() >= 4 && word.chars().zip(&written).filter(|(a, b)| a == *b).count() == word.len();
    words
        .map(|word| (edits(&written, word), word))
        .filter(|(count, word)| (*count <= word.len().div_ceil(3).min(3) && *count < word.len()) || begins(word))
        .min_by_key(|(count, _)| *count)
        .map(|(_, word)| word)
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other.
fn edits(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX);
    let mut previous = None;
    for (i, a) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i.saturating_add(1));
        let mut left = None;
        for (j, b) in to.iter().enumerate() {
            let replaced = at(&last, j).saturating_add(usize::from(a != b));
            let shifted = at(&last, j.saturating_add(1)).min(at(&row, j)).saturating_add(1);
            let swapped = match j.checked_sub(1) {
                Some(two) if previous == Some(b) && left == Some(a) => at(&before, two).saturating_add(1),
                _ => usize::MAX,
            };
            row.push(replaced.min(shifted).min(swapped));
            left = Some(b);
        }
        previous = Some(a);
        before = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let words = ["holding", "coil", "discrete", "input", "up"];
        for (written, meant) in [
            ("holdng", Some("holding")),
            ("hodling", Some("holding")),
            ("Holding", Some("holding")),
            ("coils", Some("coil")),
            ("holding-register", Some("holding")),
            ("input_registers", Some("input")),
            ("inptu", Some("input")),
            ("register", None),
            ("", None),
            ("ten-thousand-letters-are-not-a-typing-error", None),
        ] {
            assert_eq!(nearest(written, words.into_iter()), meant, "{written}");
        }
        assert_eq!(edits(&['a', 'b'], "ba"), 1);
    }

    #[test]
    fn without_a_near_word_all_are_told() {
        assert_eq!(help("zzzzzz", ["u16", "f32"].into_iter()), "one of: u16, f32");
    }
}
