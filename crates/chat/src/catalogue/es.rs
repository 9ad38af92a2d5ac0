//! Spanish.

use super::Sentence;

pub(super) fn say(sentence: &Sentence<'_>) -> String {
    format!("{sentence:?}")
}
