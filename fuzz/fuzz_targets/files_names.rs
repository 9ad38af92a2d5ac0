//! Reads names, lists of folders and tickets of strangers.
//!
//! Nothing may panic, no name may lead out of its folder or do anything to a terminal, what is accepted must come out as it went in, and nobody but the server
//! makes a ticket.
#![no_main]

use std::collections::BTreeSet;
use std::path::{Component, Path};

use files::collection::{Collection, Entry, Kind};
use files::content::Root;
use files::path::{RelativePath, escape};
use files::ticket::{KeyId, PeerKey, Right, Scope, Ticket, Wanted, from_text, to_text};
use libfuzzer_sys::fuzz_target;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else {
        return;
    };
    match kind % 4 {
        0 => path(rest),
        1 => manifest(rest),
        2 => folder(rest),
        _ => ticket(rest),
    }
});

/// Reads a name.
fn path(bytes: &[u8]) {
    match RelativePath::parse_bytes(bytes) {
        Ok(path) => safe(&path),
        Err(refused) => assert!(!refused.to_string().contains(char::is_control)),
    }
}

fn safe(path: &RelativePath) {
    let folder = Path::new("/folder");
    let place = path.below(folder);
    let below = place.strip_prefix(folder).expect("it is below the folder");
    assert!(
        below
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
    );
    assert_eq!(below.components().count(), path.parts().count());
    assert_eq!(below.to_str(), Some(path.as_str()));
    assert!(
        !path
            .as_str()
            .contains(|c: char| c.is_control() || c == '\\')
    );
    assert_eq!(
        RelativePath::parse_name(path.name())
            .as_ref()
            .map(RelativePath::as_str),
        Ok(path.name())
    );
    if let Some(parent) = path.parent() {
        let parent = RelativePath::parse(parent).expect("a part of a safe path is safe");
        assert_eq!(format!("{parent}/{}", path.name()), path.as_str());
    }
    let _ = escape(path.as_str());
}

/// Reads a list as it comes, behind its first line.
fn manifest(bytes: &[u8]) {
    let _ = Collection::decode(bytes);
    let text = [&b"chaski-collection 1\n"[..], bytes].concat();
    if let Ok(collection) = Collection::decode(&text) {
        assert_eq!(collection.encode().as_bytes(), text);
        again(&collection);
    }
}

/// Makes a list of names, with the folders that they are in.
fn folder(bytes: &[u8]) {
    let names = bytes.split(|&byte| byte == b'\n');
    let names: BTreeSet<_> = names
        .filter_map(|name| RelativePath::parse_bytes(name).ok())
        .collect();
    let mut folders = BTreeSet::new();
    for name in &names {
        let mut parent = name.parent();
        while let Some(path) = parent {
            let path = RelativePath::parse(path).expect("a part of a safe path is safe");
            parent = name
                .as_str()
                .get(..path.as_str().len())
                .and_then(|path| Some(path.rsplit_once('/')?.0));
            folders.insert(path);
        }
    }
    let mode = u16::from(bytes.len().to_le_bytes()[0]);
    let file = |name: &RelativePath| Kind::File {
        size: name.as_str().len() as u64,
        root: Root::of(name.as_str().as_bytes()),
    };
    let files = names
        .iter()
        .filter(|name| !folders.contains(name))
        .map(|name| (name, file(name)));
    let folders = folders.iter().map(|name| (name, Kind::Folder));
    // Files before folders: it is the collection that sorts them.
    let entries = files.chain(folders).map(|(path, kind)| Entry {
        path: path.clone(),
        mode,
        kind,
    });
    if let Ok(collection) = Collection::new(entries.collect()) {
        again(&collection);
    }
}

/// What is one list is the same when it is written and read.
fn again(collection: &Collection) {
    collection
        .entries()
        .iter()
        .for_each(|entry| safe(&entry.path));
    assert_eq!(
        Collection::decode(collection.encode().as_bytes()).as_ref(),
        Ok(collection)
    );
    assert_eq!(
        Collection::new(collection.entries().to_vec()).as_ref(),
        Ok(collection)
    );
}

/// Reads a ticket that nobody signed; signs one, changes it and reads that.
fn ticket(bytes: &[u8]) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed has 32 bytes");
    let key = pair
        .public_key()
        .as_ref()
        .try_into()
        .expect("a key has 32 bytes");
    let (id, peer, root) = (KeyId(0), PeerKey([1; 32]), Root::of(b"a content"));
    let keys = [(id, key)];
    let right = Right::Fetch;
    let wanted = Wanted {
        peer,
        content: root,
        owner: "ana",
        right,
    };
    assert!(Ticket::verify(bytes, &keys, &wanted, 1_000).is_err());
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(ticket) = from_text(text)
    {
        assert_eq!(to_text(&ticket), text);
        assert!(Ticket::verify(&ticket, &keys, &wanted, 1_000).is_err());
    }
    let Some(([at, mask], login)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let account = String::from_utf8_lossy(login).into_owned();
    let scope = Scope::Content(root);
    let ticket = Ticket {
        account,
        peer,
        scope,
        right,
        issued_ms: 0,
        expires_ms: 2_000,
        key: id,
    };
    let Ok(mut signed) = ticket.sign(&pair) else {
        return;
    };
    assert_eq!(
        Ticket::verify(&signed, &keys, &wanted, 1_000).as_ref(),
        Ok(&ticket)
    );
    let at = usize::from(*at) % signed.len();
    signed[at] ^= mask;
    assert_eq!(
        Ticket::verify(&signed, &keys, &wanted, 1_000).is_ok(),
        *mask == 0
    );
}
