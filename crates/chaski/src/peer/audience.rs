//! Who may have what is shared, as it is typed.

use client::peer::catalog::Audience;

/// What a room's name begins with.
const ROOM: &str = "room:";

/// Reads what `--to` names; the error says what would be right.
pub(super) fn parse(named: &[String]) -> Result<Audience, String> {
    match named {
        [] => return Ok(Audience::Everyone),
        [one] if one == "everyone" => return Ok(Audience::Everyone),
        [one] if one == "link" => return Ok(Audience::Link),
        _ => {}
    }
    if let Some(alone) = named
        .iter()
        .find(|name| *name == "everyone" || *name == "link")
    {
        return Err(format!("--to {alone} goes with no other --to"));
    }
    let rooms: Vec<String> = named
        .iter()
        .filter_map(|name| name.strip_prefix(ROOM))
        .map(str::to_owned)
        .collect();
    if rooms.is_empty() {
        return Ok(Audience::Accounts(named.to_vec()));
    }
    if rooms.len() < named.len() {
        return Err("--to names rooms or logins, not both".to_owned());
    }
    Ok(Audience::Rooms(rooms))
}
