use super::*;

fn job(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        root: Root::of(name.as_bytes()).to_string(),
        size: 1_000,
        folder: false,
        target: PathBuf::from("/somewhere").join(name),
        overwrite: false,
        link: None,
        server: "http://127.0.0.1:8080".to_owned(),
    }
}

fn stages(transfers: &Transfers) -> Vec<(u32, Stage)> {
    let all = transfers.list().expect("a list");
    all.iter().map(|each| (each.id, each.stage)).collect()
}

#[test]
fn others_see_how_it_goes() {
    let place = tempfile::tempdir().expect("a directory");
    let transfers = Transfers::open(place.path()).expect("opened");
    let mut one = transfers.begin(job("one")).expect("begun");
    let two = transfers.begin(job("two")).expect("begun");
    assert_eq!(
        stages(&transfers),
        [(1, Stage::Running), (2, Stage::Running)]
    );
    one.pause(true).expect("noted");
    two.end(1_000, None).expect("noted");
    assert_eq!(stages(&transfers), [(1, Stage::Paused), (2, Stage::Done)]);
    drop(one);
    assert_eq!(
        stages(&transfers),
        [(1, Stage::Interrupted), (2, Stage::Done)]
    );
    let why = "the disk is full".to_owned();
    let one = transfers.begin(job("one")).expect("gone on with");
    assert_eq!(one.id(), 1);
    one.end(7, Some(why.clone())).expect("noted");
    let noted = transfers.find(1).expect("it is there");
    assert_eq!(
        (noted.stage, noted.bytes, noted.why),
        (Stage::Failed, 7, Some(why))
    );
}

#[test]
fn others_say_what_they_want() {
    let place = tempfile::tempdir().expect("a directory");
    let transfers = Transfers::open(place.path()).expect("opened");
    let one = transfers.begin(job("one")).expect("begun");
    assert_eq!(one.wanted(), Want::Run);
    for want in [Want::Pause, Want::Cancel, Want::Run] {
        transfers.want(one.id(), want).expect("said");
        assert_eq!(one.wanted(), want);
    }
    transfers.want(one.id(), Want::Cancel).expect("said");
    drop(one);
    // What was wanted of the one before is not wanted of this one.
    let one = transfers.begin(job("one")).expect("begun");
    assert_eq!(one.wanted(), Want::Run);
    one.forget().expect("forgotten");
    assert!(matches!(transfers.find(1), Err(TransferError::Unknown(1))));
}

#[test]
fn nothing_is_fetched_twice_to_one_place() {
    let place = tempfile::tempdir().expect("a directory");
    let transfers = Transfers::open(place.path()).expect("opened");
    let _one = transfers.begin(job("one")).expect("begun");
    let again = transfers.begin(job("one")).expect_err("refused");
    assert!(
        matches!(again, TransferError::Running { id: 1, .. }),
        "{again}"
    );
}

#[test]
fn those_that_ended_are_kept_up_to_a_number_and_damage_is_passed_over() {
    let place = tempfile::tempdir().expect("a directory");
    let transfers = Transfers::open(place.path()).expect("opened");
    for number in 0..ENDED_MAX + 10 {
        let one = transfers.begin(job(&number.to_string())).expect("begun");
        one.end(0, None).expect("noted");
    }
    let kept = stages(&transfers);
    assert_eq!(kept.len(), ENDED_MAX + 1, "those before, and the last");
    assert_eq!(kept.last().map(|(id, _)| *id), Some(60));
    fs::write(place.path().join("transfers/60.json"), b"{").expect("damage");
    assert_eq!(stages(&transfers).len(), ENDED_MAX);
}

#[test]
fn those_that_begin_together_have_numbers_of_their_own() {
    const TOGETHER: usize = 16;
    let place = tempfile::tempdir().expect("a directory");
    let start = std::sync::Barrier::new(TOGETHER);
    let begin = |number: usize| {
        let transfers = Transfers::open(place.path()).expect("opened");
        start.wait();
        transfers.begin(job(&number.to_string())).expect("begun")
    };
    let all: Vec<Running> = std::thread::scope(|scope| {
        let begin = &begin;
        let threads: Vec<_> = (0..TOGETHER)
            .map(|number| scope.spawn(move || begin(number)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.map(|begun| begun.expect("no panic")).collect()
    });
    let mut ids: Vec<u32> = all.iter().map(Running::id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=16).collect::<Vec<u32>>());
    let transfers = Transfers::open(place.path()).expect("opened");
    assert_eq!(stages(&transfers).len(), TOGETHER);
}

#[test]
fn a_number_that_somebody_holds_without_a_note_is_passed_over() {
    let place = tempfile::tempdir().expect("a directory");
    let transfers = Transfers::open(place.path()).expect("opened");
    let _held = transfers.hold(1).expect("a lock").expect("nobody has it");
    let one = transfers.begin(job("one")).expect("begun");
    assert_eq!(one.id(), 2);
}

#[test]
fn a_wish_and_a_note_that_are_written_at_once_do_not_meet() {
    let place = tempfile::tempdir().expect("a directory");
    let note = unfinished(&place.path().join("1.json"));
    let wish = unfinished(&place.path().join("1.want"));
    assert_ne!(note, wish);
    assert_eq!(note.parent(), Some(place.path()));
    assert!(
        note.extension().is_some_and(|kind| kind != "json"),
        "no list has it"
    );
}
