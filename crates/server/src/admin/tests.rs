use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::thread;

use std::io::{BufRead, BufReader, Write};

use directory::Directory;
use tokio::sync::oneshot;

use super::*;
use crate::config::paths;

/// Refuses to delete a virtual host, lists one, and answers everything else with `Done`.
struct Echo;

impl Backend for Echo {
    fn handle(&self, request: Request) -> Pin<Box<dyn Future<Output = Response>>> {
        Box::pin(async move {
            if let Request::VhostDelete { name } = request {
                Response::error(ErrorCode::NotFound, name)
            } else if request == Request::VhostList {
                Response::Vhosts(vec![VhostRow {
                    name: "/".to_owned(),
                }])
            } else {
                Response::Done
            }
        })
    }
}

/// Serves `Echo` in a data directory while `body` runs.
fn with_server<T>(data_dir: &Path, body: impl FnOnce() -> T) -> T {
    let listener = bind(data_dir).expect("a free data directory");
    let (stop, stopped) = oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                let listener = tokio::net::UnixListener::from_std(listener).expect("nonblocking");
                tokio::select! {
                    () = serve(listener, Rc::new(Echo)) => {}
                    _ = stopped => {}
                }
            });
        });
        let result = body();
        drop(stop);
        result
    })
}

fn vhost_add(name: &str) -> Request {
    Request::VhostAdd {
        name: name.to_owned(),
    }
}

#[test]
fn a_request_gets_its_response_and_a_refusal_is_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    with_server(data, || {
        assert_eq!(call(data, &vhost_add("a")).expect("done"), Response::Done);
        let missing = Request::VhostDelete {
            name: "gone".to_owned(),
        };
        match call(data, &missing) {
            Err(AdminError::Refused { code, message }) => {
                assert_eq!((code, message.as_str()), (ErrorCode::NotFound, "gone"));
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
    });
}

#[test]
fn one_connection_carries_many_requests_and_survives_a_bad_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    with_server(data, || {
        let mut stream = UnixStream::connect(paths::admin_socket(data)).expect("listening");
        let mut lines = BufReader::new(stream.try_clone().expect("a descriptor")).lines();
        let mut ask = |line: &[u8]| -> Response {
            stream.write_all(line).expect("written");
            let answer = lines.next().expect("an answer").expect("text");
            serde_json::from_str(&answer).expect("a response")
        };
        let bad = ask(b"{\"request\":\"make_coffee\"}\n");
        assert!(matches!(
            bad,
            Response::Error {
                code: ErrorCode::Invalid,
                ..
            }
        ));
        let unknown_member = ask(b"{\"request\":\"vhost_add\",\"name\":\"a\",\"nmae\":1}\n");
        assert!(matches!(unknown_member, Response::Error { .. }));
        assert!(matches!(
            ask(b"{\"request\":\"vhost_list\"}\n"),
            Response::Vhosts(rows) if rows.len() == 1
        ));
    });
}

#[test]
fn a_line_without_end_is_cut_off() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    with_server(data, || {
        let mut stream = UnixStream::connect(paths::admin_socket(data)).expect("listening");
        stream
            .write_all(&vec![b'x'; LINE_BYTES_MAX])
            .expect("the server reads up to its bound");
        let mut answers = BufReader::new(stream).lines();
        let answer = answers.next().expect("an answer").expect("text");
        assert!(answer.contains("1048576"), "{answer}");
        assert!(answers.next().is_none(), "the connection is closed");
    });
}

#[test]
fn the_socket_is_private_and_replaces_a_stale_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    drop(bind(data).expect("the first"));
    let place = paths::admin_socket(data);
    assert!(place.exists(), "a server that died leaves its socket");
    let _second = bind(data).expect("the second");
    let mode = fs::metadata(&place).expect("bound").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_in_place_of_the_socket_is_kept_and_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = paths::admin_socket(directory.path());
    fs::write(&place, "precious").expect("a small file");
    let error = bind(directory.path())
        .expect_err("not a socket")
        .to_string();
    assert!(error.contains("admin.sock"), "{error}");
    assert_eq!(fs::read(&place).expect("still there"), b"precious");
}

#[test]
fn a_data_directory_with_a_very_long_path_works() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("d".repeat(150));
    fs::create_dir(&data).expect("a new directory");
    with_server(&data, || {
        assert_eq!(call(&data, &vhost_add("a")).expect("done"), Response::Done);
    });
}

#[test]
fn without_a_server_the_error_says_how_to_start_one() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    drop(bind(data).expect("a socket that nobody serves"));
    let error = call(data, &Request::Status).expect_err("nobody listens");
    assert!(matches!(error, AdminError::NotRunning { .. }));
    assert!(error.to_string().contains("chaski serve --data"));
}

#[test]
fn without_a_server_accounts_are_kept_in_the_data_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    assert!(matches!(
        run(data, &Request::UserList),
        Err(AdminError::NotRunning { .. })
    ));
    drop(Directory::open(&paths::directory(data)).expect("a new database"));

    run(data, &vhost_add("shop")).expect("added");
    let add = Request::UserAdd {
        login: "anna".to_owned(),
        password: Password::new("secret".to_owned()),
        tags: vec!["administrator".to_owned()],
        full_access: vec!["shop".to_owned()],
    };
    assert_eq!(run(data, &add).expect("added"), Response::Done);
    assert!(matches!(
        run(data, &add),
        Err(AdminError::Refused {
            code: ErrorCode::AlreadyExists,
            ..
        })
    ));
    let listed = run(
        data,
        &Request::PermissionList {
            login: Some("anna".to_owned()),
            vhost: None,
        },
    );
    let Response::Permissions { permissions, .. } = listed.expect("listed") else {
        panic!("expected permissions");
    };
    let granted: Vec<_> = permissions
        .iter()
        .map(|row| (row.vhost.as_str(), row.write.as_str()))
        .collect();
    assert_eq!(granted, [("shop", ".*")]);
    assert!(matches!(
        run(data, &Request::Status),
        Err(AdminError::NotRunning { .. })
    ));
}

#[test]
fn a_held_data_directory_is_not_touched() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path();
    drop(Directory::open(&paths::directory(data)).expect("a new database"));
    let lock = fs::File::create(paths::lock(data)).expect("a new file");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .expect("nobody else has it");
    match run(data, &vhost_add("shop")) {
        Err(AdminError::Refused { code, message }) => {
            assert_eq!(code, ErrorCode::Unavailable);
            assert!(message.contains("LOCK"), "{message}");
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Checks that a request is refused before anything is stored, in one line that says what is wrong.
#[track_caller]
fn invalid(request: &Request, naming: &str) {
    match plan(request) {
        Err(Response::Error { code, message }) => {
            assert_eq!(code, ErrorCode::Invalid);
            assert!(message.contains(naming), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn policy_set(definition: &str) -> Request {
    Request::PolicySet {
        vhost: "/".to_owned(),
        name: "p".to_owned(),
        pattern: "^tmp[.]".to_owned(),
        apply_to: PolicyTarget::Queues,
        priority: 0,
        definition: serde_json::from_str(definition).expect("an object"),
    }
}

#[test]
fn a_pattern_that_is_no_regular_expression_is_refused_before_it_is_stored() {
    let request = Request::PermissionSet {
        login: "anna".to_owned(),
        vhost: "/".to_owned(),
        configure: "(".to_owned(),
        write: ".*".to_owned(),
        read: ".*".to_owned(),
    };
    invalid(&request, "'('");
}

#[test]
fn a_policy_that_could_not_be_applied_is_refused_with_what_may_have_been_meant() {
    for (definition, naming) in [
        (r#"{"max-lenght":5}"#, "did you mean `max-length`?"),
        (r#"{"x-message-ttl":5}"#, "did you mean `message-ttl`?"),
        (r#"{"ha-mod":"all"}"#, "did you mean `ha-mode`?"),
        (
            r#"{"federation-upstream-set":"all"}"#,
            "`chaski policy set --help`",
        ),
        (r#"{"max-priority":5}"#, "as `x-max-priority`"),
        (
            r#"{"max-length":"5"}"#,
            "'max-length' for policy 'p': it must be a whole number",
        ),
        (r#"{"max-length":1.5}"#, "it must be a whole number"),
        (
            r#"{"max-length":18446744073709551615}"#,
            "it must be a whole number",
        ),
        (r#"{"overflow":["drop-head"]}"#, "it must be a text"),
        (r#"{"dead-letter-exchange":null}"#, "it must be a text"),
        ("{}", "empty"),
    ] {
        invalid(&policy_set(definition), naming);
    }
    let Request::PolicySet { definition, .. } =
        policy_set(r#"{"max-length":5,"ha-mode":"exactly","ha-params":2}"#)
    else {
        panic!("it is one");
    };
    assert_eq!(policy_hints(&definition), ["ha-mode", "ha-params"]);
}

#[test]
fn pages_are_cut_without_overflow() {
    let names: Vec<String> = (0..25).map(|number| format!("queue-{number:02}")).collect();
    let select = |page: u32, page_size: u32, filter: Option<&str>| {
        let request = PageRequest {
            page,
            page_size,
            filter: filter.map(str::to_owned),
        };
        let (rows, total) = request.select(&names, |name: &String| name.as_str());
        let rows: Vec<String> = rows.into_iter().cloned().collect();
        request.page(rows, total)
    };
    assert_eq!(select(1, 10, None).rows.len(), 10);
    let last = select(3, 10, None);
    assert_eq!((last.rows.len(), last.total), (5, 25));
    assert_eq!(select(u32::MAX, u32::MAX, None).rows.len(), 0);
    assert_eq!(select(0, 0, None).rows, ["queue-00"]);
    assert_eq!(select(1, 10, Some("-2")).rows.len(), 5);
}

#[test]
fn passwords_are_not_shown_by_debug() {
    let request = Request::UserPassword {
        login: "anna".to_owned(),
        password: Password::new("hunter2".to_owned()),
    };
    assert!(!format!("{request:?}").contains("hunter2"));
}
