//! What stands in the files, all of them together?
//!
//! ```text
//! include    include patterns -> files
//! tree       TOML -> values with places
//! here       main file + includes -> one merged table; duplicates name both places
//! syntax     what to write where a file is not TOML
//! check      the merged table against the key table
//! scalar     texts -> durations, rates, networks, addresses
//! fix        what to write instead of what is not of its kind
//! ```

use std::{
    collections::{BTreeSet, VecDeque},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use crate::{
    fault::{At, Fault, Faults, Source, Sources},
    finding::codes,
};

pub(crate) mod check;
mod fix;
mod include;
pub(crate) mod scalar;
mod syntax;
pub(crate) mod tree;

use tree::{Entry, Node, Table, Value};

/// More than any plant has conduits in files of their own; a pattern that goes astray stops here.
const MAX_FILES: usize = 1024;
/// A thousand times the configuration of a large site.
const MAX_BYTES: u64 = 4 << 20;

/// All files, merged.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The files.
    pub(crate) sources: Sources,
    /// What they say together.
    pub(crate) root: Table,
    /// SHA-256 over all of them, each with its length before it.
    pub(crate) hash: String,
}

/// Reads the main file and all that it includes. A file that cannot be read or is not TOML is told, and the rest is read
/// all the same.
pub(crate) fn file(path: &Path, faults: &mut Faults) -> Merged {
    let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
    match text_of(path) {
        Ok(text) => merge(Source { name: path.to_path_buf(), dir, text: text.into() }, faults),
        Err(cause) => {
            let message = format!("cannot read {}: {cause}", path.display());
            faults.add(Fault::nowhere(codes::UNREADABLE, message));
            Merged { sources: Sources::default(), root: Table::default(), hash: String::new() }
        }
    }
}

/// The same for a main file whose text is at hand.
pub(crate) fn merge(main: Source, faults: &mut Faults) -> Merged {
    let mut reading = Reading::default();
    reading.seen.insert(identity_of(&main.name));
    reading.waiting.push_back((main, None));
    while let Some((source, named_at)) = reading.waiting.pop_front() {
        reading.take(source, named_at.as_ref(), faults);
    }
    let hash = hash(&reading.sources);
    Merged { sources: reading.sources, root: reading.root, hash }
}

/// The same for files at hand, the main one first: nothing is looked for on disk.
pub(crate) fn kept(sources: Vec<Source>, faults: &mut Faults) -> Merged {
    let mut reading = Reading { at_hand: true, ..Reading::default() };
    if sources.is_empty() {
        faults.add(Fault::nowhere(codes::UNREADABLE, "nothing was kept".to_owned()));
    }
    for (number, source) in sources.into_iter().enumerate() {
        reading.take(source, (number > 0).then_some(&At::default()), faults);
    }
    let hash = hash(&reading.sources);
    Merged { sources: reading.sources, root: reading.root, hash }
}

#[derive(Debug, Default)]
struct Reading {
    sources: Sources,
    root: Table,
    waiting: VecDeque<(Source, Option<At>)>,
    /// Files already named: one file is read once, so includes cannot run in a circle.
    seen: BTreeSet<PathBuf>,
    /// The files are at hand: includes were followed when they were read.
    at_hand: bool,
}

impl Reading {
    fn take(&mut self, source: Source, named_at: Option<&At>, faults: &mut Faults) {
        let file = self.sources.0.len();
        let text = Arc::clone(&source.text);
        let dir = source.dir.clone();
        self.sources.0.push(source);
        let (parsed, broken) = DeTable::parse_recoverable(&text);
        let mut table = Table::of(file, parsed.get_ref());
        let mut slips = Vec::new();
        // What stands under a header that is there already is there twice because of it.
        let mut under = 0..0;
        for error in &broken {
            let at = At { file, span: error.span().unwrap_or(0..0) };
            match first_of(&table, &text, &at).filter(|_| error.message() == "duplicate key") {
                Some(_) if under.contains(&at.span.start) => {}
                Some((key, first)) => {
                    if is_header(&text, at.span.start) {
                        let rest = text.get(at.span.end..).unwrap_or_default();
                        under = at.span.end..rest.find("\n[").map_or(text.len(), |end| at.span.end + end);
                    }
                    faults.add(twice(&key, &at, &first));
                }
                None => slips.push((error.message(), at.span)),
            }
        }
        syntax::tell(file, &text, &slips, faults);
        if named_at.is_some() {
            included_schema(&mut table, faults);
        }
        self.follow(&table, &dir, faults);
        join(&mut self.root, table, 0, faults);
    }

    fn follow(&mut self, table: &Table, dir: &Path, faults: &mut Faults) {
        let Some(site) = table.table("site").filter(|_| !self.at_hand) else { return };
        for (pattern, at) in site.texts("include") {
            match include::expand(pattern, dir) {
                Ok(files) => files.iter().for_each(|path| self.enqueue(path, at, faults)),
                Err(fault) => faults.add(
                    Fault::new(codes::INCLUDE, at, format!("this include cannot be followed: {fault}"), "named here")
                        .help(
                            "name a file, or a pattern such as conduits.d/*.toml, from this file's directory"
                                .to_owned(),
                        ),
                ),
            }
        }
    }

    fn enqueue(&mut self, path: &Path, at: &At, faults: &mut Faults) {
        if !self.seen.insert(identity_of(path)) {
            return;
        }
        if self.seen.len() > MAX_FILES {
            if self.seen.len() == MAX_FILES + 1 {
                let message = format!("more than {MAX_FILES} files are included");
                let fault = Fault::new(codes::TOO_MUCH, at, message, "the last one named here");
                faults.add(fault.help("put several conduits in one file".to_owned()));
            }
            return;
        }
        match regular(path).and_then(|()| text_of(path)) {
            Ok(text) => {
                let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
                let source = Source { name: path.to_path_buf(), dir, text: text.into() };
                self.waiting.push_back((source, Some(at.clone())));
            }
            Err(cause) => {
                let message = format!("cannot read {}: {cause}", path.display());
                let fault = Fault::new(codes::INCLUDE, at, message, "included here");
                faults.add(fault.help("name a file that can be read, from this file's directory".to_owned()));
            }
        }
    }
}

/// An included file may say `schema = 1` too; it is not a duplicate.
fn included_schema(table: &mut Table, faults: &mut Faults) {
    let Some(place) = table.entries.iter().position(|one| one.key == "schema") else { return };
    check::schema(Some(&table.entries.remove(place)), faults);
}

/// Adds the entries of `from` to `to`. Tables such as `[site]` and `[zones]` are joined (their entries are the things
/// that may not stand twice), lists of tables follow one another, and `include` may stand in every file.
fn join(to: &mut Table, from: Table, depth: u8, faults: &mut Faults) {
    for entry in from.entries {
        match to.entries.iter_mut().find(|one| one.key == entry.key) {
            None => to.entries.push(entry),
            Some(first) => join_entry(first, entry, depth, faults),
        }
    }
}

fn join_entry(first: &mut Entry, second: Entry, depth: u8, faults: &mut Faults) {
    let lists = depth == 0 || (depth == 1 && first.key == "sinks");
    match (&mut first.node.value, second.node.value) {
        (Value::Table(to), Value::Table(from)) if depth == 0 => join(to, from, 1, faults),
        (Value::List(to), Value::List(from)) if lists || first.key == "include" => to.extend(from),
        _ => faults.add(twice(&first.key, &second.at, &first.at)),
    }
}

fn twice(key: &str, second: &At, first: &At) -> Fault {
    let help = if second.file == first.file { "keep one of the two, or rename one" } else { "rename one of the two" };
    Fault::new(codes::DUPLICATE, second, format!("`{key}` is defined twice"), "defined again here")
        .also(first, "first defined here")
        .help(help.to_owned())
}

fn is_header(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with('['))
}

/// Where the key that stands again at `second` stood first, in the same file: for a header the same header, for a key
/// the nearest one before.
fn first_of(table: &Table, text: &str, second: &At) -> Option<(String, At)> {
    let key = text.get(second.span.clone())?;
    let start = text.get(..second.span.start)?.rfind('\n').map_or(0, |end| end + 1);
    let bare = |line: &str| line.split('#').next().map(|one| one.trim().to_owned());
    let header = bare(text.get(start..)?.lines().next()?).filter(|line| line.starts_with('['));
    if let Some(header) = header {
        // The parser keeps the place of the last one only: the first is looked for in the text.
        let lines = text.get(..start)?.split_inclusive('\n');
        let (line, at) = lines
            .scan(0, |next, line| {
                let at = *next;
                *next += line.len();
                Some((line, at))
            })
            .find(|(line, _)| bare(line).as_ref() == Some(&header))?;
        let key_at = at + line.split('#').next()?.rfind(key)?;
        return Some((key.to_owned(), At { file: second.file, span: key_at..key_at + key.len() }));
    }
    let mut found: Option<&At> = None;
    let mut tables = vec![table];
    while let Some(table) = tables.pop() {
        for entry in &table.entries {
            tables.extend(entry.node.table().into_iter().chain(entry.node.list().iter().filter_map(Node::table)));
            let before = entry.key == key && entry.at.span.start < second.span.start;
            if before && found.is_none_or(|one| one.span.start < entry.at.span.start) {
                found = Some(&entry.at);
            }
        }
    }
    Some((key.to_owned(), found?.clone()))
}

/// One file under several names is one file.
fn identity_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// A pipe in a directory of conduits would hold up every start until somebody writes into it.
pub(crate) fn regular(path: &Path) -> std::io::Result<()> {
    let meta = std::fs::metadata(path)?;
    if meta.is_file() {
        return Ok(());
    }
    let what = if meta.is_dir() { "it is a directory" } else { "it is no regular file" };
    Err(std::io::Error::other(what))
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // Bounded by what is read and not by the length that is told: a pipe or a device tells none.
    let read = std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn hash(sources: &Sources) -> String {
    let mut hash = Sha256::new();
    for source in &sources.0 {
        hash.update((source.text.len() as u64).to_be_bytes());
        hash.update(source.text.as_bytes());
    }
    hex(&hash.finalize())
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
