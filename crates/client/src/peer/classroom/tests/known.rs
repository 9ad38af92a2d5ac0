//! What is told of files that are here, and which of them are sent.

use std::time::Instant;

use rpc::pserver::p_server_server::PServer as _;
use tonic::Request;

use super::super::service::Service;
use super::held::{HERE, place};
use super::*;

fn names(classroom: &Classroom, name: &str) -> (bool, bool, Option<Root>) {
    let parcel = classroom.parcel(name);
    let parcel = parcel.map(|parcel| parcel.root);
    (classroom.has(name), classroom.gives(name), parcel)
}

#[test]
fn what_is_for_few_is_here_and_neither_given_nor_sent() {
    let (folder, classroom) = place("127.0.0.1:1");
    let open = Some(Root::of(b"open.txt"));
    assert_eq!(names(&classroom, "open.txt"), (true, true, open));
    assert_eq!(names(&classroom, "closed.txt"), (true, false, None));
    fs::write(folder.path().join("taken/own.txt"), "x").expect("it is written");
    assert_eq!(names(&classroom, "own.txt"), (true, false, None));
    assert_eq!(names(&classroom, "none.txt"), (false, false, None));
}

#[test]
fn what_is_gone_since_it_was_hashed_is_not_here() {
    let (folder, classroom) = place("127.0.0.1:1");
    for name in ["open", "closed"] {
        let path = folder.path().join(name).join(format!("{name}.txt"));
        fs::remove_file(path).expect("it is removed");
        let name = format!("{name}.txt");
        assert_eq!(names(&classroom, &name), (false, false, None), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_for_few_are_told_after_a_login_only() {
    for (is_inside, expected) in [(false, 200), (true, 409)] {
        let (_folder, classroom) = place("127.0.0.1:1");
        if is_inside {
            classroom.logins.admit(HERE, Instant::now());
        }
        let service = Service {
            classroom,
            from: HERE,
            pulse: Arc::default(),
        };
        let told = |name| service.upload_file(Request::new(file(name)));
        assert_eq!(status(told("closed.txt").await), expected, "{is_inside}");
        assert_eq!(status(told("open.txt").await), 409, "{is_inside}");
    }
}
