//! How does one line vouch for all lines before it?
//!
//! Each line holds the SHA-256 of the line before it, and the lines of one file are the leaves of an RFC 6962 tree
//! whose root a checkpoint signs. The tree is kept as its peaks: one hash for each bit of its size.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// What the very first line says of the line before it.
pub(super) const NO_LINE: Hash = [0; 32];

/// The SHA-256 of these parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

/// In lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The Merkle tree of RFC 6962 section 2.1 over lines without their newline, in O(log n) memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    size: u64,
    /// The roots of the perfect subtrees, the largest first: at most 64.
    peaks: Vec<Hash>,
}

impl Tree {
    /// How many lines it has.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a line.
    pub(super) fn push(&mut self, line: &[u8]) {
        let mut node = sha256(&[&[0], line]);
        // A peak merges with each smaller one of its own size: as a binary counter carries.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for each bit of the size");
            node = sha256(&[&[1], &left, &node]);
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The tree's root.
    pub(super) fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return sha256(&[]) };
        peaks.fold(*smallest, |right, left| sha256(&[&[1], left, &right]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962 section 2.1, word for word.
    fn reference(lines: &[Vec<u8>]) -> Hash {
        match lines {
            [] => sha256(&[]),
            [line] => sha256(&[&[0], line]),
            _ => {
                let half = lines.len().next_power_of_two() / 2;
                let (left, right) = lines.split_at(half);
                sha256(&[&[1], &reference(left), &reference(right)])
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        let mut tree = Tree::default();
        let mut lines = Vec::new();
        for i in 0_u32..300 {
            assert_eq!(tree.root(), reference(&lines), "at {i}");
            assert_eq!(tree.size(), u64::from(i));
            lines.push(format!("line {i}").into_bytes());
            tree.push(&lines[lines.len() - 1]);
            assert!(tree.peaks.len() <= 9);
        }
    }

    #[test]
    fn roots_are_those_that_other_logs_test_with() {
        let leaves: [&[u8]; 8] = [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        for (leaf, root) in leaves.iter().zip(roots) {
            tree.push(leaf);
            assert_eq!(hex(&tree.root()), root);
        }
    }
}
