//! Which files does an include name?

use std::path::{Path, PathBuf};

/// Why an include cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncludeFault {
    /// A `*` in a directory, or no file name.
    #[error("`*` can stand only in the file name")]
    Pattern,
    /// The operator's file or directory cannot be read.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

/// The files that `pattern` names, relative to `dir`, by name. A `*` that matches nothing is no fault: a directory of
/// conduits may be empty. Hidden files are left out unless the pattern starts with a dot.
pub(crate) fn expand(pattern: &str, dir: &Path) -> Result<Vec<PathBuf>, IncludeFault> {
    let path = Path::new(pattern);
    let folder = path.parent().map(|one| one.to_string_lossy()).unwrap_or_default();
    let name = path.file_name().and_then(|one| one.to_str()).ok_or(IncludeFault::Pattern)?;
    if folder.contains('*') {
        return Err(IncludeFault::Pattern);
    }
    if !name.contains('*') {
        return Ok(vec![dir.join(path)]);
    }
    let folder = dir.join(&*folder);
    // `.` where the folder is the working directory itself: an empty path cannot be listed.
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    let unreadable = |cause| IncludeFault::Unreadable { path: folder.clone(), cause };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(listed).map_err(unreadable)? {
        let found = entry.map_err(unreadable)?.file_name();
        let Some(found) = found.to_str() else { continue };
        if fits(name, found) && (name.starts_with('.') || !found.starts_with('.')) {
            files.push(folder.join(found));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether `name` fits a pattern in which each `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml.bak", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("ab*ba", "aba", false),
            ("plain", "plain", true),
            ("plain", "plain2", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_star_in_a_directory_is_refused() {
        assert!(matches!(expand("*/a.toml", Path::new(".")), Err(IncludeFault::Pattern)));
    }
}
