//! Sets of users by position: one bit each, so that a hundred thousand of them are combined in microseconds.

const BITS: usize = u64::BITS as usize;

/// A set of positions below a fixed length. Sets that are combined have the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSet {
    words: Vec<u64>,
    len: usize,
}

impl UserSet {
    /// Nobody of `len`.
    pub fn none(len: usize) -> UserSet {
        UserSet { words: vec![0; len.div_ceil(BITS)], len }
    }

    /// Everybody of `len`.
    pub fn all(len: usize) -> UserSet {
        UserSet::none(len).complement()
    }

    /// Adds a position; those beyond the length are left out.
    pub fn insert(&mut self, at: usize) {
        if at < self.len {
            self.words[at / BITS] |= 1 << (at % BITS);
        }
    }

    /// Whether a position is in the set.
    pub fn contains(&self, at: usize) -> bool {
        at < self.len && self.words[at / BITS] & (1 << (at % BITS)) != 0
    }

    /// Those in both.
    pub fn and(mut self, other: &UserSet) -> UserSet {
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine &= theirs);
        self
    }

    /// Those in either.
    pub fn or(mut self, other: &UserSet) -> UserSet {
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine |= theirs);
        self
    }

    /// Those not in `other`.
    pub fn minus(mut self, other: &UserSet) -> UserSet {
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine &= !theirs);
        self
    }

    /// Those not in the set.
    pub fn complement(mut self) -> UserSet {
        self.words.iter_mut().for_each(|word| *word = !*word);
        // Beyond the length there is nobody to be counted.
        if let (Some(last), used @ 1..) = (self.words.last_mut(), self.len % BITS) {
            *last &= (1 << used) - 1;
        }
        self
    }

    /// How many are in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The positions, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * BITS + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sets_also_at_the_edges_of_words() {
        for len in [0, 1, 63, 64, 65, 128, 130] {
            let mut odd = UserSet::none(len);
            (0..len + 10).filter(|at| at % 2 == 1).for_each(|at| odd.insert(at));
            let expected: Vec<usize> = (0..len).filter(|at| at % 2 == 1).collect();
            assert_eq!(odd.iter().collect::<Vec<_>>(), expected, "{len}");
            assert_eq!(odd.count(), expected.len());
            assert!(!odd.contains(len + 1));
            let even = odd.clone().complement();
            assert_eq!(even.count() + odd.count(), len, "{len}");
            assert_eq!(even.clone().and(&odd), UserSet::none(len));
            assert_eq!(even.clone().or(&odd), UserSet::all(len));
            assert_eq!(UserSet::all(len).minus(&odd), even);
        }
    }
}
