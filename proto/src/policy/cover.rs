//! Do these pieces together cover a deed, and which of them are needed?

use super::weigh::Piece;

/// Whether the pieces that `counts` lets in cover every index of `first..=last`, in all bits of `need`; tells `used`
/// one set of them that does, the cheapest at each place. `pieces` are sorted by their first index.
///
/// # Errors
/// The first index that is not covered.
pub(super) fn cover<'p>(
    pieces: &'p [Piece],
    (first, last): (u32, u32),
    need: u16,
    counts: &dyn Fn(&Piece) -> bool,
    used: &mut dyn FnMut(&'p Piece),
) -> Result<(), u32> {
    let mut next = 0usize;
    let mut best: [Option<&Piece>; 3] = [None; 3];
    let mut index = first;
    loop {
        while let Some(piece) = pieces.get(next).filter(|piece| piece.first <= index) {
            next = next.saturating_add(1);
            if !counts(piece) || piece.mask & need != need {
                continue;
            }
            if let Some(best) = best.get_mut(usize::from(piece.cost))
                && best.is_none_or(|best| best.last < piece.last)
            {
                *best = Some(piece);
            }
        }
        let reached = match best.iter().flatten().find(|piece| piece.last >= index) {
            Some(piece) => {
                used(piece);
                piece.last
            }
            None if by_bits(pieces, index, need, counts, used) => index,
            None => return Err(index),
        };
        match reached.checked_add(1) {
            Some(after) if after <= last => index = after,
            _ => return Ok(()),
        }
    }
}

/// Whether rules that name single bits cover one register together.
fn by_bits<'p>(
    pieces: &'p [Piece],
    index: u32,
    need: u16,
    counts: &dyn Fn(&Piece) -> bool,
    used: &mut dyn FnMut(&'p Piece),
) -> bool {
    let here = |piece: &&Piece| index <= piece.last && counts(piece);
    let all = pieces.iter().take_while(|piece| piece.first <= index).filter(here);
    if all.clone().fold(0, |mask, piece| mask | piece.mask) & need != need {
        return false;
    }
    let mut mask = 0;
    for cost in 0..3 {
        for piece in all.clone().filter(|piece| piece.cost == cost) {
            if piece.mask & need & !mask != 0 {
                mask |= piece.mask;
                used(piece);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::policy::{RuleIx, weigh::Reach};

    fn piece(rule: u32, first: u32, last: u32, mask: u16, cost: u8) -> Piece {
        Piece { first, last, mask, rule: RuleIx(rule), reach: Reach::Passes, cost }
    }

    fn try_cover(pieces: &[Piece], range: (u32, u32), need: u16) -> Result<Vec<u32>, u32> {
        let mut rules = Vec::new();
        cover(pieces, range, need, &|_| true, &mut |piece| rules.push(piece.rule.0))?;
        Ok(rules)
    }

    #[test]
    fn the_cheapest_piece_is_used_at_each_place() {
        let all = u16::MAX;
        let pieces = [piece(0, 0, 9, all, 1), piece(1, 0, 4, all, 0), piece(2, 5, 9, all, 2)];
        assert_eq!(try_cover(&pieces, (0, 4), all), Ok(std::vec![1]));
        assert_eq!(try_cover(&pieces, (0, 9), all), Ok(std::vec![1, 0]), "a token before `always`");
        assert_eq!(try_cover(&pieces, (3, 12), all), Err(10));
        let longer = [piece(0, 0, 2, all, 0), piece(1, 0, 9, all, 0), piece(2, 1, 9, all, 0), piece(3, 1, 4, all, 0)];
        assert_eq!(try_cover(&longer, (0, 9), all), Ok(std::vec![1]), "the longest");
        let equal = [piece(0, 0, 9, all, 0), piece(1, 0, 9, all, 0)];
        assert_eq!(try_cover(&equal, (0, 9), all), Ok(std::vec![0]), "the first of equals");
        assert_eq!(try_cover(&[], (u32::MAX, u32::MAX), all), Err(u32::MAX));
        assert_eq!(try_cover(&[piece(3, 0, u32::MAX, all, 0)], (7, u32::MAX), all), Ok(std::vec![3]));
    }

    #[test]
    fn sixteen_bits_make_a_register_and_fifteen_do_not() {
        let bits: Vec<_> = (0..16).map(|bit| piece(bit, 7, 7, 1 << bit, 0)).collect();
        assert_eq!(try_cover(&bits, (7, 7), u16::MAX).map(|used| used.len()), Ok(16));
        assert_eq!(try_cover(&bits[1..], (7, 7), u16::MAX), Err(7));
        assert_eq!(try_cover(&bits[3..4], (7, 7), 8), Ok(std::vec![3]), "one bit is all that a mask needs");
    }

    #[test]
    fn of_rules_for_single_bits_the_cheapest_are_used_and_none_that_adds_nothing() {
        let (low, high) = (0x00FF, 0xFF00);
        let pieces = [piece(0, 7, 7, low, 1), piece(1, 7, 7, low, 0), piece(2, 7, 7, low, 0), piece(3, 7, 7, high, 0)];
        assert_eq!(try_cover(&pieces, (7, 7), u16::MAX), Ok(std::vec![1, 3]));
        let pieces = [piece(0, 7, 7, 2, 0), piece(1, 7, 7, 4, 0), piece(2, 7, 7, 9, 0)];
        assert_eq!(try_cover(&pieces, (7, 7), 5), Ok(std::vec![1, 2]), "bits that nobody needs are no reason");
        assert_eq!(try_cover(&pieces, (7, 8), 5), Err(8));
    }

    proptest! {
        /// GEN-12: the union of what is allowed is the union element by element, and no more.
        #[test]
        fn a_union_covers_what_its_elements_cover(
            pieces in proptest::collection::vec((0u32..12, 0u32..6, 0usize..4, 0u8..3), 0..8),
            first in 0u32..12,
            length in 0u32..8,
        ) {
            let masks = [u16::MAX, 0x00FF, 0xFF00, 0x0F0F];
            let mut pieces: Vec<_> = pieces
                .into_iter()
                .enumerate()
                .map(|(n, (first, length, mask, cost))| piece(n as u32, first, first + length, masks[mask], cost))
                .collect();
            pieces.sort_by_key(|piece| piece.first);
            let last = first + length;
            let mask_at = |pieces: &[&Piece], index: u32| {
                let here = pieces.iter().filter(|piece| piece.first <= index && index <= piece.last);
                here.fold(0, |mask, piece| mask | piece.mask)
            };
            let all: Vec<_> = pieces.iter().collect();
            let hole = (first..=last).find(|index| mask_at(&all, *index) != u16::MAX);
            let mut used = Vec::new();
            let result = cover(&pieces, (first, last), u16::MAX, &|_| true, &mut |piece| used.push(piece));
            prop_assert_eq!(result.err(), hole);
            if hole.is_none() {
                prop_assert!((first..=last).all(|index| mask_at(&used, index) == u16::MAX), "what is used covers");
            }
        }
    }
}
