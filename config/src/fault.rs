//! What is wrong, said by a place in the files that were read?

use std::{ops::Range, path::PathBuf, sync::Arc};

use crate::finding::{Finding, Place, Severity, codes, line_column};

/// A place in one of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct At {
    /// The file's place in [`Sources`].
    pub(crate) file: usize,
    /// Bytes of its text.
    pub(crate) span: Range<usize>,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As the operator named it.
    pub(crate) name: PathBuf,
    /// What relative paths in it start from.
    pub(crate) dir: PathBuf,
    /// Its text.
    pub(crate) text: Arc<str>,
}

/// The files that were read, the main one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(pub(crate) Vec<Source>);

/// A fault or warning on its way to becoming a [`Finding`].
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    code: &'static str,
    message: String,
    places: Vec<(At, String)>,
    help: Vec<String>,
}

/// All faults and warnings of all files.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    all: Vec<Fault>,
    /// Parts of files that are not TOML: what they seem to say is not told.
    torn: Vec<At>,
}

impl Sources {
    /// The file that `at` lies in.
    pub(crate) fn of(&self, at: &At) -> Option<&Source> {
        self.0.get(at.file)
    }

    /// `file:line`.
    pub(crate) fn place(&self, at: &At) -> String {
        self.of(at).map_or_else(String::new, |source| {
            format!("{}:{}", source.name.display(), line_column(&source.text, at.span.start).0)
        })
    }

    /// A path as written at `at`, made relative to its file's directory.
    pub(crate) fn resolve(&self, path: &str, at: &At) -> PathBuf {
        self.of(at).map_or_else(|| PathBuf::from(path), |source| source.dir.join(path))
    }

    /// The same for a finding that is made later; its label says that it was named there.
    pub(crate) fn named(&self, at: &At) -> Option<Place> {
        self.shown(at.clone(), "named here".to_owned())
    }

    fn shown(&self, at: At, label: String) -> Option<Place> {
        let source = self.of(&at)?;
        Some(Place { file: source.name.clone(), source: Arc::clone(&source.text), span: at.span, label })
    }

    /// The fault as it is told, with its places.
    pub(crate) fn finding(&self, fault: Fault) -> Finding {
        let place = |(at, label): (At, String)| self.shown(at, label);
        Finding {
            severity: fault.severity(),
            code: fault.code,
            message: fault.message,
            places: fault.places.into_iter().filter_map(place).collect(),
            help: fault.help,
            notes: Vec::new(),
        }
    }
}

impl Fault {
    /// A fault; its code says how bad it is. `label` stands under the span.
    pub(crate) fn new(code: &'static str, at: &At, message: impl Into<String>, label: impl Into<String>) -> Self {
        let places = vec![(at.clone(), label.into())];
        Self { code, message: message.into(), places, help: Vec::new() }
    }

    /// A fault without a place.
    pub(crate) fn nowhere(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), places: Vec::new(), help: Vec::new() }
    }

    /// What to write instead.
    pub(crate) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help.extend(help.into());
        self
    }

    /// Another place that has to do with it.
    pub(crate) fn also(mut self, at: &At, label: impl Into<String>) -> Self {
        self.places.push((at.clone(), label.into()));
        self
    }

    /// Its code.
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// What and where: two of the same are one.
    pub(crate) fn identity(&self) -> (&'static str, Option<At>) {
        (self.code, self.places.first().map(|(at, _)| at.clone()))
    }

    fn severity(&self) -> Severity {
        if self.code.starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    /// Errors first, then the order of the files.
    pub(crate) fn order(&self) -> (Severity, usize, usize) {
        let (file, byte) = self.places.first().map_or((0, 0), |(at, _)| (at.file, at.span.start));
        (self.severity(), file, byte)
    }

    fn same(&self, other: &Self) -> bool {
        self.code == other.code && self.places == other.places && self.message == other.message
    }
}

impl Faults {
    /// Adds one.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.all.push(fault);
    }

    /// Whatever else is found there is an echo of a file that is not TOML.
    pub(crate) fn torn(&mut self, at: &At) {
        self.torn.push(at.clone());
    }

    fn echo(&self, fault: &Fault) -> bool {
        let within = |at: &At| self.torn.iter().any(|one| one.file == at.file && one.span.contains(&at.span.start));
        fault.code != codes::SYNTAX && fault.places.first().is_some_and(|(at, _)| within(at))
    }

    /// Whether the configuration is refused.
    pub(crate) fn refused(&self) -> bool {
        self.all.iter().any(|one| one.severity() == Severity::Error)
    }

    /// Whether a file could not be read or is not TOML.
    pub(crate) fn unread(&self) -> bool {
        self.all.iter().any(|one| one.code == codes::UNREADABLE || one.code == codes::SYNTAX)
    }

    /// How many faults refuse it.
    pub(crate) fn refusals(&self) -> usize {
        self.all.iter().filter(|one| one.severity() == Severity::Error).count()
    }

    /// Errors first, each kind in the order of the files; what was found twice (a shared rule) is told once.
    pub(crate) fn findings(mut self, sources: &Sources) -> Vec<Finding> {
        self.all.sort_by_key(Fault::order);
        let mut told: Vec<Fault> = Vec::with_capacity(self.all.len());
        let echoes: Vec<bool> = self.all.iter().map(|one| self.echo(one)).collect();
        for (fault, _) in self.all.into_iter().zip(echoes).filter(|(_, echo)| !echo) {
            let order = fault.order();
            if !told.iter().rev().take_while(|one| one.order() == order).any(|one| one.same(&fault)) {
                told.push(fault);
            }
        }
        told.into_iter().map(|fault| sources.finding(fault)).collect()
    }
}

/// `help: did you mean ...` where one of `known` is near to `word`.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

/// The known word that somebody may have meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may differ: enough for a slip, too little for another word.
    let word = word.get(..64).unwrap_or(word);
    let far = (word.chars().count() / 3).max(1);
    // The beginning of a name is often what people remember: `pump` for `pump-control`.
    let begins = |one: &str| word.len() >= 3 && one.len() >= 3 && (one.starts_with(word) || word.starts_with(one));
    // `TLS` for `tls`: the case of letters is no distance, and still worth a word.
    let small = word.to_lowercase();
    let distance = |one: &str| strsim::damerau_levenshtein(&small, &one.to_lowercase());
    let near = known.into_iter().map(|one| (distance(one), one)).filter(|(d, one)| *d <= far || begins(one));
    near.min().map(|(_, one)| one)
}
