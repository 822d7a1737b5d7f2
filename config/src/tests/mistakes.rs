//! Does an engineer who writes something wrong learn where, and what to write instead?
//!
//! The right place and the right fix of each mistake stand in `mistakes/table.rs` as data. `broken.rs` beside it asks
//! something else: whether each fault of the program has its code.

use super::*;

mod table;

/// One mistake in an otherwise good plant of two files.
struct Mistake {
    name: &'static str,
    /// The file that it is in.
    file: &'static str,
    /// What stands there, and what then stands there. One `§` says where the first finding must begin.
    edits: &'static [(&'static str, &'static str)],
    /// What its help must contain.
    fix: &'static str,
}

const PLANT: &str = include_str!("mistakes/plant.toml");
const VALVE: &str = include_str!("mistakes/valve.toml");
const GROUPS: [(&str, &[Mistake]); 6] = [
    ("mistakes_toml", table::TOML),
    ("mistakes_keys", table::KEYS),
    ("mistakes_names", table::NAMES),
    ("mistakes_plant", table::PLANT),
    ("mistakes_sentences", table::SENTENCES),
    ("mistakes_warnings", table::WARNINGS),
];

#[test]
fn the_plant_without_a_mistake_is_good() {
    let dir = plant();
    let found = load_both(dir.path(), PLANT, VALVE);
    assert_eq!(told(&found, dir.path()), "");
}

/// All that was ever right stays right, and what the program says is kept word by word.
#[test]
fn each_mistake_is_told_at_its_place_with_its_fix() {
    let (mut right, mut all, mut misses) = (0, 0, Vec::new());
    for (group, mistakes) in GROUPS {
        let mut page = String::new();
        for one in mistakes {
            let dir = plant();
            let (found, place) = one.made(dir.path());
            let text = told(&found, dir.path());
            page.push_str(&format!("## {}\n\n{text}\n", one.name));
            all += 1;
            match one.misses(&found, &place) {
                None => right += 1,
                Some(why) => misses.push(format!("{}: {why}\n{text}", one.name)),
            }
        }
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(group, page);
        });
    }
    println!("{right} of {all} mistakes: the right place and the right fix");
    assert!(all >= 50 && misses.is_empty(), "{right} of {all}\n\n{}", misses.join("\n"));
}

#[test]
fn no_mistake_is_counted_twice() {
    let mut names: Vec<_> = GROUPS.iter().flat_map(|(_, all)| all.iter().map(|one| one.name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// The code of each mistake's first finding.
pub(super) fn codes_seen() -> std::collections::BTreeSet<&'static str> {
    let first = |one: &Mistake| {
        let dir = plant();
        one.made(dir.path()).0.first().map(|found| found.code)
    };
    GROUPS.iter().flat_map(|(_, all)| all.iter()).filter_map(first).collect()
}

/// File, line and column.
type Spot = (String, usize, usize);

impl Mistake {
    /// Makes it: what is found, and where it should be.
    fn made(&self, dir: &Path) -> (Vec<Finding>, Spot) {
        let (mut main, mut valve) = (PLANT.to_owned(), VALVE.to_owned());
        let text = if self.file == "sluicegate.toml" { &mut main } else { &mut valve };
        for (from, to) in self.edits {
            assert!(text.contains(from), "{}: there is no {from:?}", self.name);
            *text = text.replacen(from, to, 1);
        }
        let byte = text.find('§').unwrap_or_else(|| panic!("{}: no place is marked", self.name));
        *text = text.replacen('§', "", 1);
        assert!(!text.contains('§'), "{}: two places are marked", self.name);
        let (line, column) = finding::line_column(text, byte);
        (load_both(dir, &main, &valve), (self.file.to_owned(), line, column))
    }

    /// What is wrong with the first finding.
    fn misses(&self, found: &[Finding], spot: &Spot) -> Option<String> {
        let Some(first) = found.first() else { return Some("nothing is told".to_owned()) };
        let Some(place) = first.places.first() else { return Some("it is told without a place".to_owned()) };
        let (line, column) = place.line_column();
        if !(place.file.ends_with(&spot.0) && (line, column) == (spot.1, spot.2)) {
            return Some(format!("it is at {}:{line}:{column} and not at {spot:?}", place.file.display()));
        }
        let helps = first.help.iter().any(|help| help.contains(self.fix));
        (!helps).then(|| format!("{:?} is not in the help", self.fix))
    }
}

/// All findings about the plant of two files.
fn load_both(dir: &Path, main: &str, valve: &str) -> Vec<Finding> {
    std::fs::create_dir_all(dir.join("conduits.d")).expect("made");
    write(dir, "conduits.d/valve.toml", valve);
    match load_str(main, dir) {
        Ok(loaded) => {
            let gaps = loaded.levels.into_iter().flat_map(|one| one.gaps).map(|one| one.finding);
            loaded.warnings.into_iter().chain(gaps).collect()
        }
        Err(found) => found,
    }
}
