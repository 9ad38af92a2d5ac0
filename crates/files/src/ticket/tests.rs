use ring::signature::KeyPair as _;

use super::*;

const PEER: PeerKey = PeerKey([7; 32]);
const NOW: u64 = 1_800_000_000_000;

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes")
}

fn keys() -> [(KeyId, [u8; 32]); 2] {
    [1, 2].map(|seed| {
        let public = pair(seed).public_key().as_ref().try_into();
        (KeyId(u32::from(seed)), public.expect("32 bytes"))
    })
}

fn ticket(scope: Scope) -> Ticket {
    Ticket {
        account: "ana".to_owned(),
        peer: PEER,
        scope,
        right: Right::Fetch,
        issued_ms: NOW,
        expires_ms: NOW + 60_000,
        key: KeyId(2),
    }
}

fn wanted() -> Wanted<'static> {
    Wanted {
        peer: PEER,
        content: Root::of(b"x"),
        owner: "bela",
        right: Right::Fetch,
    }
}

fn both() -> [Ticket; 2] {
    [
        Scope::Content(Root::of(b"x")),
        Scope::AnyOf("bela".to_owned()),
    ]
    .map(ticket)
}

#[test]
fn a_ticket_opens_what_it_names() {
    for ticket in both() {
        let signed = ticket.sign(&pair(2)).expect("good");
        let text = to_text(&signed);
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        let read = from_text(&text).expect("good");
        assert_eq!(Ticket::verify(&read, &keys(), &wanted(), NOW), Ok(ticket));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for ticket in both() {
        let signed = ticket.sign(&pair(2)).expect("good");
        for bit in 0..signed.len() * 8 {
            let mut flipped = signed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let refused = Ticket::verify(&flipped, &keys(), &wanted(), NOW);
            let refused = refused.expect_err("flipped");
            let is_due = matches!(
                refused,
                Refused::Malformed | Refused::Forged | Refused::UnknownKey(_)
            );
            assert!(is_due, "bit {bit}: {refused}");
        }
        for length in 0..signed.len() {
            let refused = Ticket::verify(&signed[..length], &keys(), &wanted(), NOW);
            assert!(refused.is_err(), "{length} bytes");
        }
        let longer = [signed.as_slice(), &[0]].concat();
        assert!(Ticket::verify(&longer, &keys(), &wanted(), NOW).is_err());
    }
}

#[test]
fn a_ticket_is_worth_nothing_elsewhere_or_later() {
    let check = |wanted: &Wanted<'_>, now_ms, due| {
        for ticket in both() {
            let signed = ticket.sign(&pair(2)).expect("good");
            let refused = Ticket::verify(&signed, &keys(), wanted, now_ms).err();
            assert_eq!(refused, due, "{ticket:?}");
        }
    };
    let good = wanted();
    check(&good, NOW + 59_999, None);
    check(&good, NOW + 60_000, Some(Refused::Expired(0)));
    check(
        &good,
        u64::MAX,
        Some(Refused::Expired(u64::MAX - NOW - 60_000)),
    );
    let early = NOW - TICKET_CLOCK_TOLERANCE_MS;
    check(&good, early, None);
    check(
        &good,
        early - 1,
        Some(Refused::NotYet(TICKET_CLOCK_TOLERANCE_MS + 1)),
    );
    let peer = PeerKey([8; 32]);
    check(&Wanted { peer, ..good }, NOW, Some(Refused::OtherPeer));
    let right = Right::Put;
    check(&Wanted { right, ..good }, NOW, Some(Refused::OtherRight));
    let (content, owner) = (Root::of(b"y"), "carl");
    let other = Wanted {
        content,
        owner,
        ..good
    };
    check(&other, NOW, Some(Refused::OtherContent));
}

#[test]
fn only_the_key_that_a_ticket_names_signs_it() {
    let [ticket, _] = both();
    let refused = |bytes: &[u8], keys: &[_]| Ticket::verify(bytes, keys, &wanted(), NOW).err();
    let forged = ticket.sign(&pair(1)).expect("good");
    assert_eq!(refused(&forged, &keys()), Some(Refused::Forged));
    let signed = ticket.sign(&pair(2)).expect("good");
    assert_eq!(
        refused(&signed, &keys()[..1]),
        Some(Refused::UnknownKey(KeyId(2)))
    );
    // A signature of the body alone, as something else might sign it.
    let body = &signed[..signed.len() - SIGNATURE_BYTES];
    let other = [body, pair(2).sign(body).as_ref()].concat();
    assert_eq!(refused(&other, &keys()), Some(Refused::Forged));
}

#[test]
fn what_is_no_ticket_is_not_signed() {
    let refused = |change: fn(&mut Ticket)| {
        let [mut ticket, _] = both();
        change(&mut ticket);
        ticket.sign(&pair(2)).err()
    };
    assert_eq!(refused(|t| t.account.clear()), Some(Unsignable::Login));
    assert_eq!(
        refused(|t| t.account = "x".repeat(256)),
        Some(Unsignable::Login)
    );
    assert_eq!(refused(|t| t.account = "x".repeat(255)), None);
    assert_eq!(
        refused(|t| t.expires_ms = t.issued_ms - 1),
        Some(Unsignable::Life)
    );
    assert_eq!(
        refused(|t| t.expires_ms += TICKET_LIFE_MS_MAX),
        Some(Unsignable::Life)
    );
}

#[test]
fn the_longest_ticket_is_within_the_bound() {
    let mut ticket = ticket(Scope::AnyOf("y".repeat(255)));
    ticket.account = "x".repeat(255);
    let signed = ticket.sign(&pair(2)).expect("good");
    assert_eq!(signed.len(), TICKET_BYTES_MAX);
    let text = to_text(&signed);
    assert_eq!(from_text(&text), Ok(signed));
    assert_eq!(from_text(&"A".repeat(4_000)), Err(Refused::Malformed));
    for bad in ["=", "a b", "AB", "+/"] {
        assert_eq!(from_text(bad), Err(Refused::Malformed), "{bad:?}");
    }
}
