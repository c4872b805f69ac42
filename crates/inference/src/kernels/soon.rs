//! What is read next.

use super::simd::Words;

/// Lines that will be read after what is computed now, in their order, to be prefetched a few at a time meanwhile.
#[derive(Default)]
pub(crate) struct Soon<'a> {
    parts: std::vec::IntoIter<&'a [Words]>,
    part: &'a [Words],
}

impl<'a> Soon<'a> {
    pub(crate) fn new(parts: Vec<&'a [Words]>) -> Self {
        Self { parts: parts.into_iter(), part: &[] }
    }

    /// The next lines, at most `count`; fewer at the end of a part, none at the end of all.
    #[inline(always)]
    pub(crate) fn next(&mut self, count: usize) -> &'a [Words] {
        if self.part.is_empty() {
            self.part = self.parts.next().unwrap_or_default();
        }
        let (next, rest) = self.part.split_at(count.min(self.part.len()));
        self.part = rest;
        next
    }
}
