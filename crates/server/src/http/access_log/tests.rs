use std::future::pending;
use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use tower::ServiceExt as _;

use super::*;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn login(request: Request) -> &'static str {
    let (parts, _) = request.into_parts();
    note_caller(&parts, &"ada".into());
    "hello"
}

async fn fail() -> &'static str {
    panic!("no such luck");
}

async fn refuse() -> Problem {
    Problem::unavailable("later")
}

fn router(observer: &Observer) -> Router {
    let router = Router::new()
        .route("/v1/things/{thing}", get(login))
        .route("/fail", get(fail))
        .route("/v1/refuse", get(refuse))
        .route("/slow", get(pending::<&'static str>));
    around(router, observer.clone())
}

/// Asks, and returns the answer with the lines of the log, each an object.
fn ask(observer: &Observer, path: &str, id: Option<&str>) -> (Response, Vec<serde_json::Value>) {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let mut request = Request::builder().uri(path);
    if let Some(id) = id {
        request = request.header(REQUEST_ID, id);
    }
    let request = request.body(Body::empty()).expect("a request");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let answer = tracing::subscriber::with_default(subscriber, || {
        runtime
            .block_on(router(observer).oneshot(request))
            .expect("it answers")
    });
    let log = String::from_utf8(kept.0.lock().expect("no panic").clone()).expect("text");
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    (answer, lines.collect())
}

#[test]
fn one_line_says_what_became_of_a_request_without_its_secrets() {
    let observer = Observer::new(false, None);
    let (answer, lines) = ask(
        &observer,
        "/v1/things/secret-1?token=secret-2",
        Some("abc-1"),
    );
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[REQUEST_ID], "abc-1");
    let [line] = lines.as_slice() else {
        panic!("one line, not {lines:#?}");
    };
    assert_eq!(line["target"], "access");
    assert_eq!(line["level"], "DEBUG");
    let fields = &line["fields"];
    assert_eq!(fields["id"], "abc-1");
    assert_eq!(fields["method"], "GET");
    assert_eq!(fields["route"], "/v1/things/{thing}");
    assert_eq!(fields["status"], 200);
    assert_eq!(fields["login"], "ada");
    assert_eq!(fields["bytes"], 5);
    assert!(fields["duration_ms"].is_number());
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[test]
fn a_problem_names_its_request() {
    let (answer, lines) = ask(&Observer::new(false, None), "/v1/refuse", None);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let id = answer.headers()[REQUEST_ID]
        .to_str()
        .expect("text")
        .to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let body = runtime
        .expect("a runtime")
        .block_on(to_bytes(answer.into_body(), 10_000));
    let problem: serde_json::Value =
        serde_json::from_slice(&body.expect("a body")).expect("a problem");
    assert_eq!(problem["request_id"], id);
    assert_eq!(lines[0]["fields"]["id"], id);
    assert_eq!(lines[0]["level"], "INFO");
}

#[test]
fn a_panic_is_answered_and_logged_with_the_same_id() {
    let (answer, lines) = ask(&Observer::new(false, None), "/fail", Some("mine"));
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let [panic, line] = lines.as_slice() else {
        panic!("two lines, not {lines:#?}");
    };
    assert_eq!(panic["fields"]["panic"], "no such luck");
    assert_eq!(panic["span"]["id"], "mine");
    assert_eq!(
        (&line["level"], &line["fields"]["id"]),
        (&"ERROR".into(), &"mine".into())
    );
}

#[test]
fn every_answer_is_hardened_and_those_of_the_interface_are_not_kept() {
    let observer = Observer::new(false, None);
    for (path, caching) in [("/v1/refuse", Some("no-store")), ("/nowhere", None)] {
        let (answer, _) = ask(&observer, path, None);
        let header = |name: HeaderName| {
            let value = answer.headers().get(name);
            value.and_then(|value| value.to_str().ok().map(str::to_owned))
        };
        assert_eq!(
            header(header::X_CONTENT_TYPE_OPTIONS).as_deref(),
            Some("nosniff")
        );
        assert_eq!(
            header(header::REFERRER_POLICY).as_deref(),
            Some("no-referrer")
        );
        assert_eq!(header(header::X_FRAME_OPTIONS).as_deref(), Some("DENY"));
        assert_eq!(
            header(header::CONTENT_SECURITY_POLICY).as_deref(),
            Some(POLICY)
        );
        assert_eq!(header(header::CACHE_CONTROL).as_deref(), caching, "{path}");
    }
}

#[test]
fn requests_are_counted_by_route_and_one_that_is_given_up_as_such() {
    let observer = Observer::new(false, None);
    drop(ask(&observer, "/v1/things/1", None));
    drop(ask(&observer, "/v1/things/2", None));
    drop(ask(&observer, "/nowhere/at/all", None));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let request = Request::builder().uri("/slow").body(Body::empty());
        let answer = router(&observer).oneshot(request.expect("a request"));
        let in_time = tokio::time::timeout(Duration::from_millis(1), answer).await;
        assert!(in_time.is_err(), "it never answers");
    });
    let counted = observer.requests().counted();
    assert_eq!(counted.in_flight, 0);
    assert_eq!(counted.given_up, 1);
    let of = |route: &str| {
        let found = counted.routes.iter().find(|known| known.route == route);
        found.map(|known| (known.method, known.statuses.clone()))
    };
    assert_eq!(of("/v1/things/{thing}"), Some(("GET", vec![(200, 2)])));
    assert_eq!(of(NO_ROUTE), Some(("GET", vec![(404, 1)])));
    assert_eq!(counted.routes.len(), 2);
}
