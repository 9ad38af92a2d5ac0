//! Finds the name that somebody meant.

/// Below this, the beginning of a name says little.
const BEGINNING_BYTES_MIN: usize = 4;

/// Finds the candidate with the fewest edits to `wanted`, if one is near enough to be meant.
///
/// Near enough is a third of the length of the wanted name, and at least 2 edits; the beginning
/// of a candidate is nearer than any edit.
pub(crate) fn nearest<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let reach = (wanted.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| {
            let begins = wanted.len() >= BEGINNING_BYTES_MIN && candidate.starts_with(wanted);
            let edits = if begins {
                0
            } else {
                distance(wanted, candidate)
            };
            (edits, candidate)
        })
        .filter(|(edits, _)| *edits <= reach)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Counts the insertions, deletions and substitutions between two names (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut previous = line + 1;
        let mut diagonal = line;
        for (column, b) in right.iter().enumerate() {
            let above = row.get(column + 1).copied().unwrap_or(usize::MAX);
            let substituted = diagonal + usize::from(a != *b);
            let edits = substituted.min(above + 1).min(previous + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(column) {
                *cell = previous;
            }
            previous = edits;
        }
        if let Some(cell) = row.last_mut() {
            *cell = previous;
        }
    }
    row.last().copied().unwrap_or(0)
}
