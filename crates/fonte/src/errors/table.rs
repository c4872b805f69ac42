//! The sentences.

use super::{Sentence, Words};

pub(super) const WORDS: &[Words] = &[];

pub(super) const SENTENCES: &[Sentence] = &[];
