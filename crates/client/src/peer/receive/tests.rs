use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use files::content::Root;
use rpc::v1::OfferRequest;
use rpc::v1::offer_response::State;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tonic::Code;

use super::place::{self, ENTRY_BYTES, NoPlace, Place, numbered};
use super::rules::{Accept, Rules, Verdict};
use super::taking::Taking;
use super::{Entry, Inbox, OFFERS_PER_ACCOUNT_MAX, Offer, Patience, ReceiveEvent};
use crate::peer::identity::{Fingerprint, Identity};
use crate::peer::put::{Parcel, Parcels};
use crate::peer::serving::{Gate, Terms, serve};
use crate::peer::throttle::Throttle;

#[test]
fn rules_say_whose_files_are_taken() {
    let judge = |accept, account: &str| {
        let contacts = vec!["Ben".to_owned()];
        let rules = Rules {
            accept,
            contacts,
            ..Rules::default()
        };
        rules.judge(account, Some("anna"))
    };
    let is_refused = |verdict| matches!(verdict, Verdict::Refuse(why) if !why.is_empty());
    for known in ["anna", "ANNA", "ben"] {
        for accept in [Accept::Ask, Accept::Contacts, Accept::Everyone] {
            assert_eq!(judge(accept, known), Verdict::Take, "{accept:?} {known}");
        }
        assert!(is_refused(judge(Accept::Nobody, known)), "{known}");
    }
    assert_eq!(judge(Accept::Ask, "eve"), Verdict::Ask);
    assert_eq!(judge(Accept::Everyone, "eve"), Verdict::Take);
    assert!(is_refused(judge(Accept::Contacts, "eve")));
    assert!(is_refused(judge(Accept::Nobody, "eve")));
    // An account that is not known is nobody's own.
    assert_eq!(Rules::default().judge("anna", None), Verdict::Ask);
}

#[test]
fn another_content_gets_a_free_name() {
    let name = |name, number| numbered(name, number, false);
    assert_eq!(name("report.pdf", 1), "report.pdf");
    assert_eq!(name("report.pdf", 2), "report (2).pdf");
    assert_eq!(name("a.tar.gz", 10), "a.tar (10).gz");
    assert_eq!(name("README", 2), "README (2)");
    assert_eq!(numbered("v1.2", 2, true), "v1.2 (2)");
}

/// An inbox with what it tells, and its folder.
fn inbox(rules: Rules) -> (TempDir, Arc<Inbox>, mpsc::Receiver<ReceiveEvent>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (tell, told) = mpsc::channel(16);
    let inbox = Inbox::new(folder.path().to_owned(), rules, false, tell);
    inbox.set_own("ben".to_owned());
    (folder, Arc::new(inbox), told)
}

fn everyone() -> Rules {
    Rules {
        accept: Accept::Everyone,
        ..Rules::default()
    }
}

fn offer(name: &str, content: &[u8]) -> Offer {
    Offer {
        root: Root::of(content),
        name: name.to_owned(),
        size: content.len() as u64,
        total: content.len() as u64,
        is_folder: false,
        addresses: vec!["127.0.0.1:1".to_owned()],
        key: Fingerprint::from_bytes([1; 32]),
        secret: vec![7; 32],
        is_sealed: false,
    }
}

fn enter(inbox: &Arc<Inbox>) -> Entry {
    inbox.enter("anna".to_owned()).expect("there is room")
}

#[test]
fn nothing_is_overwritten_and_the_same_is_there_already() {
    let (folder, inbox, _told) = inbox(everyone());
    let target = folder.path().join("a.txt");
    let other = folder.path().join("a (2).txt");
    let free = |target: &Path| Place::Free {
        target: target.to_owned(),
        left: 0,
    };
    let find = |entry: &Entry, content| place::find(entry, &offer("a.txt", content));
    let first = enter(&inbox);
    assert_eq!(find(&first, b"one").expect("a place"), free(&target));
    // It is not there yet, but the name is taken.
    let second = enter(&inbox);
    assert_eq!(find(&second, b"two").expect("a place"), free(&other));
    let third = enter(&inbox);
    assert!(matches!(find(&third, b"two"), Err(NoPlace::UnderWay)));
    drop((first, second));
    fs::write(&target, b"one").expect("it is written");
    fs::write(&other, b"two").expect("it is written");
    for (content, path) in [(b"one", &target), (b"two", &other)] {
        let place = find(&third, content).expect("a place");
        assert_eq!(place, Place::Already(path.clone()));
    }
    let place = find(&third, b"six").expect("a place");
    assert_eq!(place, free(&folder.path().join("a (3).txt")));
}

#[test]
fn the_quota_holds_what_is_there_and_what_is_coming() {
    let quota = Some(100 + 5 * ENTRY_BYTES);
    let rules = Rules {
        quota,
        ..everyone()
    };
    let (folder, inbox, _told) = inbox(rules);
    fs::create_dir(folder.path().join("sub")).expect("it is made");
    fs::write(folder.path().join("sub/old"), [0; 30]).expect("it is written");
    let find = |entry: &Entry, name: &str, bytes: usize| {
        let content = vec![1; bytes];
        match place::find(entry, &offer(name, &content)) {
            Ok(_) => None,
            Err(NoPlace::Quota { is, room }) => Some((is, room)),
            Err(error) => panic!("{error}"),
        }
    };
    // Folders and files count as some bytes each, whatever is in them.
    let large = |bytes: u64, entries: u64| bytes + entries * ENTRY_BYTES;
    let (first, second) = (enter(&inbox), enter(&inbox));
    let whole = (70 + 2 * ENTRY_BYTES) as usize;
    assert_eq!(
        find(&first, "a", whole + 1),
        Some((large(71, 3), large(70, 3)))
    );
    assert_eq!(find(&first, "a", 50 + 2 * ENTRY_BYTES as usize), None);
    assert_eq!(find(&second, "b", 1), Some((large(1, 1), large(20, 0))));
    drop(first);
    assert_eq!(find(&second, "b", whole), None);
    drop(second);
    let third = enter(&inbox);
    assert_eq!(find(&third, "c", 70 + 2 * ENTRY_BYTES as usize), None);
}

#[test]
fn the_list_of_a_folder_and_what_it_names_are_counted() {
    let quota = Some(1_000 + 4 * ENTRY_BYTES);
    let (_folder, inbox, _told) = inbox(Rules {
        quota,
        ..everyone()
    });
    let plans = |list: u64| Offer {
        is_folder: true,
        size: list,
        total: 100,
        ..offer("plans", b"list")
    };
    let entry = enter(&inbox);
    let refused = place::find(&entry, &plans(901 + 3 * ENTRY_BYTES));
    assert!(matches!(refused, Err(NoPlace::Quota { .. })), "{refused:?}");
    let plans = plans(900);
    let Ok(Place::Free { target, .. }) = place::find(&entry, &plans) else {
        panic!("there is room");
    };
    // The folder itself is one of four.
    let room = |entries| place::find_room(&entry, &plans, &target, entries);
    assert!(matches!(room(4), Err(NoPlace::Quota { .. })));
    assert!(room(3).is_ok());
    let other = enter(&inbox);
    let refused = place::find(&other, &offer("b", b""));
    assert!(matches!(refused, Err(NoPlace::Quota { .. })), "{refused:?}");
}

#[test]
fn names_and_sizes_are_checked_before_anybody_is_asked() {
    let check = |name: &str, most| place::check(&offer(name, b"content"), most);
    assert!(check("a.txt", None).is_ok() && check("a.txt", Some(7)).is_ok());
    assert!(matches!(
        check("a.txt", Some(6)),
        Err(NoPlace::Large { is: 7, most: 6 })
    ));
    assert!(matches!(check("../a", None), Err(NoPlace::Name(_))));
    assert!(matches!(check(".bashrc", None), Err(NoPlace::Hidden(_))));
}

#[test]
fn one_account_cannot_take_every_place() {
    let (_folder, inbox, _told) = inbox(everyone());
    let mut entries: Vec<_> = (0..OFFERS_PER_ACCOUNT_MAX).map(|_| enter(&inbox)).collect();
    assert!(inbox.enter("anna".to_owned()).is_err());
    assert!(inbox.enter("eve".to_owned()).is_ok());
    entries.pop();
    assert!(inbox.enter("anna".to_owned()).is_ok());
}

#[test]
fn an_offer_needs_a_ticket() {
    let (_folder, inbox, _told) = inbox(everyone());
    let gate = Gate::new(Fingerprint::from_bytes([2; 32]));
    let mut request = OfferRequest {
        root: vec![1; 32],
        key: vec![1; 32],
        secret: vec![1; 32],
        addresses: vec!["127.0.0.1:1".to_owned()],
        ..OfferRequest::default()
    };
    let contents = Arc::new(Parcels::default());
    let code = |request: &OfferRequest| {
        let received = inbox.receive(&gate, &contents, request, false);
        received.expect_err("it is refused").code()
    };
    assert_eq!(code(&request), Code::PermissionDenied);
    request.root.pop();
    assert_eq!(code(&request), Code::InvalidArgument);
    assert!(inbox.running().is_empty());
}

/// Serves parcels, and has one offered; gives the last answer.
async fn bring(inbox: &Arc<Inbox>, parcels: Parcels, parcel: &Parcel) -> State {
    bring_on(Terms::default(), inbox, parcels, parcel).await
}

/// The same on other terms than the usual.
async fn bring_on(terms: Terms, inbox: &Arc<Inbox>, parcels: Parcels, parcel: &Parcel) -> State {
    let identity = Identity::passing().expect("random numbers");
    let gate = Arc::new(Gate::with_terms(identity.fingerprint(), terms));
    gate.offer([7; 32], parcel.root);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let offer = Offer {
        root: parcel.root,
        size: parcel.size,
        total: parcel.total,
        is_folder: parcel.is_folder,
        addresses: vec![listener.local_addr().expect("it is bound").to_string()],
        key: identity.fingerprint(),
        ..offer(&parcel.name, b"")
    };
    let (stop, stopping) = watch::channel(false);
    let served =
        tokio::spawn(
            async move { serve(listener, &identity, Arc::new(parcels), gate, stopping).await },
        );
    let (answers, mut told) = mpsc::channel(64);
    let taking = Taking::new(offer, "anna".to_owned(), enter(inbox), answers);
    let taken = tokio::spawn(taking.run(Arc::new(Parcels::default())));
    let mut last = None;
    while let Some(answer) = told.recv().await {
        last = answer.expect("no status").state;
    }
    taken.await.expect("no panic");
    let _ = stop.send(true);
    served.await.expect("no panic").expect("it served");
    last.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_fetched_and_told() {
    let (folder, inbox, mut told) = inbox(everyone());
    let from = tempfile::tempdir().expect("a folder");
    let content: Vec<u8> = (0..600_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    fs::write(from.path().join("a.bin"), &content).expect("it is written");
    for is_first in [true, false] {
        let mut parcels = Parcels::default();
        let parcel = parcels.pack(&from.path().join("a.bin"), drop);
        let last = bring(&inbox, parcels, &parcel.expect("it is packed")).await;
        assert_eq!(last == State::Done(true), is_first);
        assert_eq!(last == State::Already(true), !is_first);
    }
    let path = folder.path().join("a.bin");
    assert_eq!(fs::read(&path).expect("it is there"), content);
    let mut events = Vec::new();
    while let Ok(event) = told.try_recv() {
        events.push(match event {
            ReceiveEvent::Asking(..) => "asking".to_owned(),
            ReceiveEvent::Taking(..) => "taking".to_owned(),
            ReceiveEvent::Received(_, at) if at == path => "received".to_owned(),
            ReceiveEvent::Already(_, at) if at == path => "already".to_owned(),
            event @ (ReceiveEvent::Received(..)
            | ReceiveEvent::Already(..)
            | ReceiveEvent::Refused(..)) => format!("{event:?}"),
        });
    }
    assert_eq!(events, ["taking", "received", "already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_larger_than_was_said_is_refused() {
    let (folder, inbox, _told) = inbox(everyone());
    let from = tempfile::tempdir().expect("a folder");
    let place = from.path().join("plans");
    fs::create_dir(&place).expect("it is made");
    fs::write(place.join("large"), vec![1; 700_000]).expect("it is written");
    fs::write(place.join("small"), b"small").expect("it is written");
    for (said, is_taken) in [(700_004, false), (700_005, true)] {
        let mut parcels = Parcels::default();
        let parcel = parcels.pack(&place, drop).expect("it is packed");
        assert_eq!(parcel.total, 700_005);
        let parcel = Parcel {
            total: said,
            ..parcel
        };
        let last = bring(&inbox, parcels, &parcel).await;
        assert_eq!(last == State::Done(true), is_taken, "{last:?}");
        assert_eq!(folder.path().join("plans").exists(), is_taken);
    }
}

/// An inbox that waits for those who cannot be reached, and for those who can.
fn patient(
    (unreached, silence): (Duration, Duration),
) -> (TempDir, Arc<Inbox>, mpsc::Receiver<ReceiveEvent>) {
    let (folder, inbox, told) = inbox(everyone());
    let mut inbox = Arc::into_inner(inbox).expect("nobody else has it");
    inbox.patience = Patience {
        unreached,
        silence,
        ..Patience::default()
    };
    (folder, Arc::new(inbox), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_keeps_a_low_rate_is_waited_for() {
    let (short, long) = (Duration::from_millis(1_500), Duration::from_secs(60));
    let from = tempfile::tempdir().expect("a folder");
    fs::write(from.path().join("a.bin"), vec![3; 300_000]).expect("it is written");
    let terms = || Terms {
        // The second group comes 4 seconds behind the first.
        throttle: Arc::new(Throttle::new(NonZeroU64::new(64 << 10))),
        ..Terms::default()
    };
    for (silence, is_taken) in [(long, true), (short, false)] {
        let (folder, inbox, _told) = patient((short, silence));
        let mut parcels = Parcels::default();
        let parcel = parcels.pack(&from.path().join("a.bin"), drop);
        let last = bring_on(terms(), &inbox, parcels, &parcel.expect("it is packed")).await;
        assert_eq!(last == State::Done(true), is_taken, "{last:?}");
        assert_eq!(folder.path().join("a.bin").exists(), is_taken);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_reached_is_not_waited_for_long() {
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(60));
    let (_folder, inbox, _told) = patient((short, long));
    let (answers, mut told) = mpsc::channel(64);
    let offer = offer("a.txt", b"content");
    let taking = Taking::new(offer, "anna".to_owned(), enter(&inbox), answers);
    tokio::spawn(taking.run(Arc::new(Parcels::default())));
    let mut last = None;
    while let Some(answer) = told.recv().await {
        last = answer.expect("no status").state;
    }
    let Some(State::Refused(why)) = last else {
        panic!("{last:?}");
    };
    assert!(why.contains("nothing came"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_an_offer_stands_is_said_again_while_somebody_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tell, mut events) = mpsc::channel(16);
    let mut inbox = Inbox::new(folder.path().to_owned(), Rules::default(), true, tell);
    inbox.set_own("ben".to_owned());
    inbox.patience.beat = Duration::from_millis(20);
    let inbox = Arc::new(inbox);
    let (answers, mut told) = mpsc::channel(64);
    let offer = offer("a.txt", b"content");
    let taking = Taking::new(offer, "anna".to_owned(), enter(&inbox), answers);
    let taken = tokio::spawn(taking.run(Arc::new(Parcels::default())));
    let mut next = async || {
        told.recv()
            .await
            .expect("an answer")
            .expect("no status")
            .state
    };
    let mut asked = 0;
    while asked < 3 {
        match next().await {
            Some(State::Asking(_)) => asked += 1,
            // It is judged first.
            state => assert_eq!((state, asked), (Some(State::Fetched(0)), 0)),
        }
    }
    let Some(ReceiveEvent::Asking(_, said)) = events.recv().await else {
        panic!("nobody is asked");
    };
    said.send(false).expect("it waits");
    while !matches!(next().await, Some(State::Refused(_))) {}
    taken.await.expect("no panic");
    assert!(told.recv().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_many_empty_things_is_held_against_the_quota() {
    let from = tempfile::tempdir().expect("a folder");
    let place = from.path().join("many");
    for name in ["a", "b", "c", "d"] {
        fs::create_dir_all(place.join(name)).expect("it is made");
        fs::write(place.join(name).join("empty"), b"").expect("it is written");
    }
    for (entries, is_taken) in [(8, false), (9, true)] {
        let mut parcels = Parcels::default();
        let parcel = parcels.pack(&place, drop).expect("it is packed");
        let (folder, inbox, _told) = inbox(Rules {
            quota: Some(parcel.size + entries * ENTRY_BYTES),
            ..everyone()
        });
        let last = bring(&inbox, parcels, &parcel).await;
        assert_eq!(last == State::Done(true), is_taken, "{last:?}");
        assert_eq!(folder.path().join("many").exists(), is_taken);
    }
}
