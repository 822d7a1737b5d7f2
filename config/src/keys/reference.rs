//! How does the key table read as a page?

use std::fmt::Write;

use super::tables;
use crate::{
    finding::CODES,
    levels::{Kept, REQUIREMENTS, SOURCE},
};

/// The reference of the configuration as Markdown: every table with its keys, then what is not served, then the codes.
pub fn reference() -> String {
    let mut page = String::from("# Configuration reference\n\nMade from the key table of the program.\n");
    for table in tables() {
        let heading = table.heading();
        let unserved = if table.served { "" } else { " Not served yet." };
        let _ = write!(
            page,
            "\n## {heading}\n\n{}{unserved}\n\n| key | takes | default | |\n|---|---|---|---|\n",
            table.doc
        );
        for key in table.keys {
            let standing = match key.default {
                _ if key.required => "required".to_owned(),
                Some(text) => format!("`{text}`"),
                None => String::new(),
            };
            let unserved = if key.served { "" } else { " Not served yet." };
            let takes = super::schema::takes(key.kind);
            let _ = writeln!(page, "| `{}` | {takes} | {standing} | {}{unserved} |", key.key, key.doc);
        }
    }
    page.push_str("\n## Not served yet\n\nKnown to the language, refused by name.\n\n");
    for one in super::not_served() {
        let _ = writeln!(page, "- `{one}`");
    }
    page.push_str("\n## Codes\n\n| code | |\n|---|---|\n");
    for (code, title) in CODES {
        let _ = writeln!(page, "| {code} | {title} |");
    }
    levels(&mut page);
    page
}

/// The requirements of the security levels, with who keeps each.
fn levels(page: &mut String) {
    let _ = write!(
        page,
        "\n## Security levels\n\nWhat `check` holds each conduit to; [findings.md](findings.md) says what each code means. \
         The table has {SOURCE}.\n\n| requirement | SL | asks that | kept |\n|---|---|---|---|\n"
    );
    for one in REQUIREMENTS {
        let kept = match one.kept {
            Kept::Always(how) => format!("always: {how}"),
            Kept::Written(codes) => format!("unless {}", codes.join(", ")),
            Kept::Plant(means) => format!("by other means: {means}"),
            Kept::NoGateway => "no matter of a gateway".to_owned(),
        };
        let _ = writeln!(page, "| {} | {} | {} | {kept} |", one.id, one.level, one.says);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_every_code_is_in_the_reference() {
        let page = reference();
        for table in tables() {
            for key in table.keys {
                assert!(page.contains(&format!("| `{}` |", key.key)), "{}", key.key);
            }
        }
        for (code, _) in CODES {
            assert!(page.contains(code), "{code}");
        }
    }
}
