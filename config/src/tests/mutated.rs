//! Does anything that an editor, a disk or an attacker leaves in the file end in a fault, and never in a panic?

use proptest::prelude::*;

use super::*;

/// Loads and renders: neither may panic, and a refusal says why.
fn survive(text: &str) {
    let dir = Path::new("/nonexistent");
    let found = match load_str(text, dir) {
        Ok(loaded) => {
            read_gaps(&loaded.site);
            loaded.warnings
        }
        Err(found) => {
            assert!(found.iter().any(|one| one.severity == finding::Severity::Error), "{text}");
            found
        }
    };
    for one in found {
        assert!(one.render(false).contains(one.code));
        one.to_json();
    }
}

/// The language's own example, so that every table is there to be broken.
const WHOLE: &str = include_str!("language.toml");

fn cut(text: &str, at: prop::sample::Index) -> usize {
    let at = at.index(text.len() + 1);
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn any_tables(lines in prop::collection::vec("(\\[{1,2}[a-z.*]{1,12}\\]{1,2}|[a-z_]{1,10} = (1|-1|\"[a-z0-9:/.]{0,12}\"|\\[\"[a-z ]{0,12}\"\\]|\\{ a = 1 \\}|true|1.5))", 0..20)) {
        survive(&lines.join("\n"));
    }

    #[test]
    fn a_piece_is_missing(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let (from, to) = (cut(WHOLE, from), cut(WHOLE, to));
        survive(&format!("{}{}", &WHOLE[..from.min(to)], &WHOLE[from.max(to)..]));
    }

    #[test]
    fn a_piece_is_foreign(at in any::<prop::sample::Index>(), piece in "([\"\\[\\]=.,\\n -]|[a-z0-9]|\\PC){1,6}") {
        let at = cut(WHOLE, at);
        survive(&format!("{}{piece}{}", &WHOLE[..at], &WHOLE[at..]));
    }

    #[test]
    fn a_line_stands_elsewhere(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let mut lines: Vec<&str> = WHOLE.lines().collect();
        let line = lines.remove(from.index(lines.len()));
        lines.insert(to.index(lines.len() + 1), line);
        survive(&lines.join("\n"));
    }

    #[test]
    fn a_value_is_another(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let values: Vec<(usize, usize)> = WHOLE
            .match_indices(" = ")
            .map(|(at, _)| (at + 3, WHOLE[at..].find('\n').map_or(WHOLE.len(), |end| at + end)))
            .filter(|(from, to)| from < to)
            .collect();
        let (a, b) = (values[a.index(values.len())], values[b.index(values.len())]);
        survive(&format!("{}{}{}", &WHOLE[..a.0], &WHOLE[b.0..b.1], &WHOLE[a.1..]));
    }
}
