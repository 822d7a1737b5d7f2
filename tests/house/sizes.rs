//! File <= 400 lines of production code, function <= 60.

use super::{rust_files, shown};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

#[test]
fn files_answer_one_question() {
    let mut faults = Vec::new();
    for file in production() {
        let lines = code(&file).lines().count();
        let table = code(&file).lines().take(12).any(|line| line.contains("A pure table"));
        if lines > FILE_LINES && !table {
            faults.push(format!("{}: {lines} lines, at most {FILE_LINES}", shown(&file)));
        }
    }
    assert!(faults.is_empty(), "files to split:\n{}", faults.join("\n"));
}

#[test]
fn functions_fit_a_screen() {
    let mut faults = Vec::new();
    for file in production() {
        let text = code(&file);
        let mut open: Option<(usize, usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            if is_function(head) && !head.ends_with(';') {
                open = Some((number, indent, head.to_owned()));
            }
            if let Some((start, depth, name)) = &open
                && indent == *depth
                && (line.trim() == "}"
                    || (number > *start && line.trim_end().ends_with('}') && line.trim_start().starts_with('}')))
            {
                let length = number - start + 1;
                if length > FUNCTION_LINES {
                    faults.push(format!("{}:{}: {length} lines: {name}", shown(&file), start + 1));
                }
                open = None;
            }
        }
    }
    assert!(faults.is_empty(), "functions over {FUNCTION_LINES} lines:\n{}", faults.join("\n"));
}

#[test]
fn every_file_says_its_question_first() {
    let silent: Vec<_> =
        production().into_iter().filter(|file| !code(file).starts_with("//!")).map(|file| shown(&file)).collect();
    assert!(silent.is_empty(), "files without a first line that says what they answer: {silent:?}");
}

#[test]
fn nothing_is_left_half_done() {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut faults = Vec::new();
    for file in rust_files("proto")
        .into_iter()
        .chain(rust_files("config"))
        .chain(rust_files("gateway"))
        .chain(rust_files("tests"))
    {
        let text = std::fs::read_to_string(&file).expect("source is readable");
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                faults.push(format!("{}:{}: {}", shown(&file), number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "half-done code:\n{}", faults.join("\n"));
}

fn is_function(head: &str) -> bool {
    let head = head.strip_prefix("pub ").unwrap_or(head);
    let head = head.strip_prefix("pub(crate) ").or_else(|| head.strip_prefix("pub(super) ")).unwrap_or(head);
    let head = head.strip_prefix("const ").unwrap_or(head);
    let head = head.strip_prefix("async ").unwrap_or(head);
    head.starts_with("fn ")
}

fn production() -> Vec<std::path::PathBuf> {
    let mut files = rust_files("proto/src");
    files.extend(rust_files("config/src"));
    files.extend(rust_files("gateway/src"));
    files.retain(|file| !shown(file).ends_with("tests.rs") && !shown(file).contains("/tests/"));
    files
}

/// Up to the first test module.
fn code(file: &std::path::Path) -> String {
    let text = std::fs::read_to_string(file).expect("source is readable");
    let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].to_owned()
}
