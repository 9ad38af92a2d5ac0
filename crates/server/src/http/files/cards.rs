//! A room is told of what is shared with it, once for each content: a message of whoever shares it.

use std::collections::BTreeMap;
use std::time::Duration;

use chat::{Command, RefusalKind, Target};
use directory::files::{Audience, AudienceMember, FileChange, FileEntry};

use super::Sharer;
use super::forms::hex;
use crate::files::FilesError;
use crate::http::Web;

/// Contents of one request that a room is told of one by one; of more it is told as a sum.
const CARDS_MAX: usize = 10;
/// How often a message that came too fast is said again.
const TRIES_MAX: u32 = 5;
/// The longest wait before that, in milliseconds.
const WAIT_MS_MAX: u64 = 1_000;

/// A content that a room is told of.
#[derive(Debug, Clone)]
pub(super) struct Card {
    root: [u8; 32],
    name: String,
    size: u64,
}

/// What each room is to be told of, of what is about to be published.
pub(super) fn cards_of(entries: &[FileEntry]) -> BTreeMap<AudienceMember, Vec<Card>> {
    let mut cards: BTreeMap<AudienceMember, BTreeMap<[u8; 32], Card>> = BTreeMap::new();
    for entry in entries {
        let Audience::Rooms(rooms) = &entry.audience else {
            continue;
        };
        for room in rooms {
            let of_room = cards.entry(room.clone()).or_default();
            of_room.entry(entry.root).or_insert_with(|| Card {
                root: entry.root,
                name: entry.name.clone(),
                size: entry.size,
            });
        }
    }
    let cards = cards.into_iter();
    cards
        .map(|(room, cards)| {
            let mut cards: Vec<_> = cards.into_values().collect();
            cards.sort_by(|one, other| one.name.cmp(&other.name));
            (room, cards)
        })
        .collect()
}

/// Tells rooms what they were not told yet. What cannot be said is said when it is published the next time.
///
/// It is noted after it is said, and said under a name of its own: so a crash between the two neither loses nor doubles it.
pub(super) async fn tell(
    web: &Web,
    sharer: &Sharer,
    cards: BTreeMap<AudienceMember, Vec<Card>>,
) -> Result<(), FilesError> {
    for (room, cards) in cards {
        let roots = cards.iter().map(|card| card.root).collect();
        let new = web.files().untold(room.clone(), roots).await?;
        let new: Vec<_> = { cards }
            .into_iter()
            .filter(|card| new.contains(&card.root))
            .collect();
        let (single, rest) = split(&new);
        for card in single {
            let text = format!("{} chaski:{}", described(card), hex(&card.root));
            say(web, sharer, &room, text, std::slice::from_ref(card)).await?;
        }
        if let Some(text) = sum_of(rest) {
            say(web, sharer, &room, text, rest).await?;
        }
    }
    Ok(())
}

/// What a room is told of one by one, and the rest. One alone is no rest: its card takes no more room than a word about it.
fn split(new: &[Card]) -> (&[Card], &[Card]) {
    let single = if new.len() > CARDS_MAX + 1 {
        CARDS_MAX
    } else {
        new.len()
    };
    new.split_at(single)
}

/// What a room is told of the rest: the first, and how many more there are.
fn sum_of(rest: &[Card]) -> Option<String> {
    let (first, others) = rest.split_first()?;
    let bytes = others
        .iter()
        .fold(0_u64, |sum, card| sum.saturating_add(card.size));
    let (count, bytes) = (others.len(), size(bytes));
    Some(format!("{} and {count} more ({bytes})", described(first)))
}

/// Says something in a room, and notes what it was told of by that.
async fn say(
    web: &Web,
    sharer: &Sharer,
    room: &AudienceMember,
    text: String,
    cards: &[Card],
) -> Result<(), FilesError> {
    let Some(first) = cards.first() else {
        return Ok(());
    };
    let what = format!("{} {} {}", room.name, room.created_ms, hex(&first.root));
    let command = Command::Say {
        to: Target::Room(room.name.clone()),
        text,
        is_action: false,
        sent_id: Some(hex(&directory::token::hash(&what))),
        reply_to: None,
    };
    for _ in 0..TRIES_MAX {
        let said = web.chat().ask(sharer.actor.clone(), command.clone()).await;
        match said.map_err(|refusal| refusal.kind) {
            Ok(_) => {
                for card in cards {
                    let (room, root) = (room.clone(), card.root);
                    let note = FileChange::CardNoted { room, root };
                    let noted = web.files().ask(move |index, _| index.change(note)).await;
                    // Somebody else was quicker.
                    if let Err(error) = noted
                        && error != FilesError::NotFound
                    {
                        return Err(error);
                    }
                }
                return Ok(());
            }
            Err(RefusalKind::Limited { retry_after_ms }) => {
                tokio::time::sleep(Duration::from_millis(retry_after_ms.min(WAIT_MS_MAX))).await;
            }
            // Whoever may not talk there shares without a word.
            Err(
                RefusalKind::NotFound
                | RefusalKind::Forbidden
                | RefusalKind::Invalid
                | RefusalKind::Taken
                | RefusalKind::Unavailable,
            ) => return Ok(()),
        }
    }
    Ok(())
}

/// A content's name and size, without what a message cannot hold.
fn described(card: &Card) -> String {
    let name: String = card
        .name
        .chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect();
    format!("{name} ({})", size(card.size))
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1_024;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_240 {
        tenths /= 1_024;
        unit = units.next();
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, unit.unwrap_or(&"EiB"))
}

#[cfg(test)]
mod tests {
    use super::{CARDS_MAX, Card, size, split, sum_of};

    #[test]
    fn the_rest_is_counted_without_the_one_that_is_named() {
        let card = |at: usize| Card {
            root: [0; 32],
            name: format!("{at:02}"),
            size: 1_024,
        };
        let cards: Vec<_> = (0..CARDS_MAX + 3).map(card).collect();
        for (count, single, expected) in [
            (0, 0, None),
            (CARDS_MAX, CARDS_MAX, None),
            (CARDS_MAX + 1, CARDS_MAX + 1, None),
            (
                CARDS_MAX + 3,
                CARDS_MAX,
                Some("10 (1.0 KiB) and 2 more (2.0 KiB)"),
            ),
        ] {
            let (one_by_one, rest) = split(&cards[..count]);
            assert_eq!(one_by_one.len(), single, "{count}");
            assert_eq!(sum_of(rest).as_deref(), expected, "{count}");
        }
    }

    #[test]
    fn sizes_are_written_for_people() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1023.9 KiB"),
            (5 << 30, "5.0 GiB"),
            ((1 << 53) - 1, "7.9 PiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
