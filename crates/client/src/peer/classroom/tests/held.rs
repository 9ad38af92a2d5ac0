//! Places are held by the work, not by whoever waits for it.

use std::net::IpAddr;
use std::sync::mpsc::channel;

use super::super::service::Service;
use super::*;
use crate::peer::limits::PLAIN_CALLS_MAX;

pub(super) const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A classroom whose server is at an address, and its folder.
pub(super) fn place(server: &str) -> (TempDir, Arc<Classroom>) {
    let folder = tempfile::tempdir().expect("a folder");
    let catalog = Arc::new(catalog(folder.path()));
    let key = Identity::passing().expect("a key").fingerprint();
    let gate = Arc::new(Gate::new(key));
    let (classroom, _) = classroom_of(server, folder.path(), &catalog, &gate, key);
    (folder, Arc::new(classroom))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_holds_its_place_until_its_work_is_done() {
    let (_folder, classroom) = place("127.0.0.1:1");
    let service = Service {
        classroom: Arc::clone(&classroom),
        from: HERE,
        pulse: Arc::default(),
    };
    let ((begin, begun), (end, ended)) = (channel(), channel::<()>());
    let work = |place: super::super::place::Place| async move {
        let worked = place.block(move || {
            let _ = begin.send(());
            // It fails when the test is over.
            let _ = ended.recv();
        });
        worked.await.map_or(Code::AWAY, |()| Code::DONE)
    };
    let call = tokio::spawn(async move { service.call(work).await });
    let begun = tokio::task::spawn_blocking(move || begun.recv()).await;
    begun.expect("a thread").expect("it has begun");
    call.abort();
    assert!(call.await.expect_err("it is given up").is_cancelled());
    assert_eq!(classroom.calls.free(), PLAIN_CALLS_MAX - 1);
    end.send(()).expect("it waits");
    classroom.calls.wait_for(PLAIN_CALLS_MAX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_checked_holds_the_next_one_back_though_nobody_waits() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let (_folder, classroom) = place(&address);
    let entering = {
        let classroom = Arc::clone(&classroom);
        let place = classroom.calls.take().expect("a place");
        tokio::spawn(async move {
            let (name, password) = ("anna".to_owned(), "secret".to_owned());
            let from = (HERE, place);
            classroom
                .logins
                .enter(&classroom.api, name, password, from)
                .await
        })
    };
    let (asked, _) = silent.accept().await.expect("the server is asked");
    entering.abort();
    assert!(entering.await.expect_err("it is given up").is_cancelled());
    assert_eq!(classroom.logins.checks.free(), 0);
    assert_eq!(classroom.calls.free(), PLAIN_CALLS_MAX - 1);
    drop(asked);
    drop(silent);
    classroom.logins.checks.wait_for(1).await;
    classroom.calls.wait_for(PLAIN_CALLS_MAX).await;
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_without_end() {
    let (_folder, classroom) = place("127.0.0.1:1");
    let api = format!("{:?}", classroom.api);
    assert!(api.contains("patience: Some(30s)"), "{api}");
}
