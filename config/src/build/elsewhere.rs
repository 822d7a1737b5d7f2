//! Which file may have been meant where none is?

use std::path::Path;

use crate::fault::nearest;

/// More entries than a directory of keys has; the help is not worth reading more.
const MOST: usize = 1000;

/// A path like `written` that leads to a file: a name like it in the same directory, or the same name in a directory
/// beside or above. `full` is where `written` leads.
pub(super) fn near(written: &str, full: &Path) -> Option<String> {
    let name = full.file_name()?.to_str()?;
    let folder = full.parent()?;
    let beside = written.strip_suffix(name)?;
    let names: Vec<String> = listed(folder, false);
    if !names.iter().any(|one| one == name)
        && let Some(one) = nearest(name, names.iter().map(String::as_str))
    {
        return Some(format!("{beside}{one}"));
    }
    let below = listed(folder, true).into_iter().find(|one| folder.join(one).join(name).is_file());
    below.map(|one| format!("{beside}{one}/{name}"))
}

/// The names of files or of directories in `folder`, in order.
fn listed(folder: &Path, folders: bool) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let kind = |one: &std::fs::DirEntry| one.path().is_dir() == folders;
    let mut names: Vec<_> =
        entries.flatten().take(MOST).filter(kind).filter_map(|one| one.file_name().into_string().ok()).collect();
    names.sort();
    names
}
