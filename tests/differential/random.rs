//! What is chosen, from a number alone: every case can be made again from its seed and its number.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, case: u64) -> Self {
        let mut one = Self(seed ^ case.wrapping_mul(0xd1b5_4a32_d192_ed03));
        one.next();
        one
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    pub(crate) fn word(&mut self) -> u16 {
        self.next() as u16
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// 1..=most: mostly few, sometimes any, often the most or nearly.
    pub(crate) fn count(&mut self, most: u16) -> u16 {
        match self.below(16) {
            0 => most,
            1 => most - self.below(usize::from(most.min(3))) as u16,
            2 => 1 + self.below(usize::from(most)) as u16,
            _ => 1 + self.below(usize::from(most.min(12))) as u16,
        }
    }
}
