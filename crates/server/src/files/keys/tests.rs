#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;

use files::ticket::{Refused, Wanted, from_text};

use super::*;

#[test]
fn the_key_is_made_once_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("files.key");
    // As a start leaves it that was cut short.
    fs::write(path.with_extension("key.new"), "half").unwrap();
    let made = TicketSigner::open(&path).unwrap();
    let again = TicketSigner::open(&path).unwrap();
    assert_eq!((made.id(), made.public()), (again.id(), again.public()));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    fs::write(&path, "no key").unwrap();
    let refused = TicketSigner::open(&path).unwrap_err();
    assert!(matches!(refused, FilesFailure::Key { .. }), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), b"no key");
}

#[test]
fn a_ticket_holds_for_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let signer = TicketSigner::open(&folder.path().join("files.key")).unwrap();
    let permission = Permission {
        account: "ana",
        peer: [1; 32],
        root: [2; 32],
        right: Right::Fetch,
    };
    let text = signer.sign(&permission, (1_000, 2_000)).unwrap();
    let bytes = from_text(&text).unwrap();
    let keys = [(KeyId(signer.id()), *signer.public())];
    let wanted = Wanted {
        peer: PeerKey([1; 32]),
        content: Root::from_bytes([2; 32]),
        owner: "ben",
        right: Right::Fetch,
    };
    let verify = |wanted, now_ms| Ticket::verify(&bytes, &keys, &wanted, now_ms);
    assert_eq!(
        verify(wanted, 1_999).map(|ticket| ticket.account),
        Ok("ana".to_owned())
    );
    assert_eq!(verify(wanted, 2_000), Err(Refused::Expired(0)));
    let put = Wanted {
        right: Right::Put,
        ..wanted
    };
    assert_eq!(verify(put, 1_500), Err(Refused::OtherRight));
    let other = Wanted {
        content: Root::from_bytes([3; 32]),
        ..wanted
    };
    assert_eq!(verify(other, 1_500), Err(Refused::OtherContent));
}
