//! What the server tells about itself: the reference, metrics, ids of requests, its log.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::server::{DEADLINE, Server, command, wait_until};

const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];
/// guest:guest
pub(crate) const GUEST: &str = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=";
/// scraper:a-password-for-tests
pub(crate) const SCRAPER: &str = "Authorization: Basic c2NyYXBlcjphLXBhc3N3b3JkLWZvci10ZXN0cw==";

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    pub(crate) body: String,
}

fn request(server: &Server, method: &str, path: &str, headers: &[&str]) -> Answer {
    send(server, method, path, headers, "")
}

/// Sends a request with a body, if it is to have one.
pub(crate) fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(server.address("http")).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head.push_str(body);
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    Answer {
        status: status.parse().unwrap(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

fn get(server: &Server, path: &str, headers: &[&str]) -> Answer {
    request(server, "GET", path, headers)
}

pub(crate) fn add_scraper(server: &Server) {
    let arguments = [
        "user",
        "add",
        "scraper",
        "--password-stdin",
        "--tag",
        "monitoring",
    ];
    let made = server.chaski_with_input(&arguments, "a-password-for-tests\n");
    assert!(made.status.success(), "{made:?}");
}

pub(crate) fn number(page: &str, series: &str) -> u64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {page}"))
        .parse()
        .unwrap()
}

#[test]
fn the_reference_leads_where_it_says() {
    let server = Server::start(&HTTP);
    let page = get(&server, "/docs", &[]);
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(
        page.headers["content-security-policy"].starts_with("default-src 'none'; style-src 'self'")
    );
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let tag = format!("If-None-Match: {}", page.headers["etag"]);
    assert_eq!(get(&server, "/docs", &[&tag]).status, 304);
    let mut checked = 0;
    for link in page.body.split("href=\"/").skip(1) {
        let path = format!("/{}", link.split('"').next().unwrap());
        let found = get(&server, &path, &[]);
        assert_eq!(found.status, 200, "{path}");
        checked += 1;
    }
    assert!(checked > 3, "{checked} links");
    let index = get(&server, "/problems", &[]);
    let kinds: Vec<_> = index.body.split("href=\"/problems/").skip(1).collect();
    assert!(kinds.len() >= 12);
    for kind in kinds {
        let path = format!("/problems/{}", kind.split('"').next().unwrap());
        assert_eq!(get(&server, &path, &[]).status, 200, "{path}");
    }
    assert_eq!(get(&server, "/problems/none", &[]).status, 404);
}

#[test]
fn a_problem_leads_to_its_page_and_names_its_request() {
    let server = Server::start(&HTTP);
    let refused = get(&server, "/v1/queues/none", &[GUEST, "X-Request-Id: mine-1"]);
    assert_eq!(refused.status, 404);
    assert_eq!(refused.headers["x-request-id"], "mine-1");
    assert_eq!(refused.headers["cache-control"], "no-store");
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(problem["request_id"], "mine-1");
    let page = get(&server, problem["type"].as_str().unwrap(), &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("What to do"));
    let odd = get(&server, "/v1/queues", &["X-Request-Id: <b>"]);
    assert_eq!(odd.status, 401);
    assert_eq!(odd.headers["x-request-id"].len(), 36);
}

#[test]
fn metrics_are_for_those_who_watch() {
    let server = Server::start(&HTTP);
    add_scraper(&server);
    for path in ["/metrics", "/metrics?per=queue"] {
        let refused = get(&server, path, &[]);
        assert_eq!(refused.status, 401, "{path}");
        assert!(!refused.body.contains("chaski_"), "{}", refused.body);
        assert_eq!(get(&server, path, &[SCRAPER]).status, 200, "{path}");
    }
    let wrong = "Authorization: Basic c2NyYXBlcjp3cm9uZw==";
    assert_eq!(get(&server, "/metrics", &[wrong]).status, 401);
    assert_eq!(get(&server, "/metrics?per=all", &[SCRAPER]).status, 400);
    let made = server.chaski_with_input(
        &["user", "add", "worker", "--password-stdin"],
        "pw-of-worker\n",
    );
    assert!(made.status.success());
    // worker:pw-of-worker
    let worker = "Authorization: Basic d29ya2VyOnB3LW9mLXdvcmtlcg==";
    assert_eq!(get(&server, "/metrics", &[worker]).status, 403);
}

#[test]
fn open_metrics_name_no_queue() {
    let server = Server::start(&["--http", "127.0.0.1:0", "--set", "metrics.open=true"]);
    assert_eq!(
        request(&server, "PUT", "/v1/queues/secret-name", &[GUEST]).status,
        201
    );
    let open = get(&server, "/metrics", &[]);
    assert_eq!(open.status, 200);
    assert_eq!(number(&open.body, "chaski_queues"), 1);
    assert!(!open.body.contains("secret-name"));
    assert_eq!(get(&server, "/metrics?per=queue", &[]).status, 401);
}

#[test]
fn messages_are_counted_on_every_shard() {
    let server = Server::start(&[
        "--http",
        "127.0.0.1:0",
        "--set",
        "shards=2",
        "--set",
        "metrics.open=true",
    ]);
    let url = server.url();
    // On two shards: one of the queues lives where its publisher does not.
    for queue in ["one", "two"] {
        assert_eq!(
            request(&server, "PUT", &format!("/v1/queues/{queue}"), &[GUEST]).status,
            201
        );
        for _ in 0..3 {
            let sent = server.chaski(&["publish", "--url", &url, "-k", queue, "x"]);
            assert!(sent.status.success(), "{sent:?}");
        }
        let taken = server.chaski(&["consume", "--url", &url, queue, "--count", "2"]);
        assert!(taken.status.success(), "{taken:?}");
    }
    assert!(
        !server
            .chaski(&["publish", "--url", &url, "-k", "none", "x"])
            .status
            .success()
    );
    wait_until("both were settled", || {
        let page = get(&server, "/metrics", &[]).body;
        number(&page, "chaski_messages_ready") == 2
            && number(&page, "chaski_messages_unacknowledged") == 0
    });
    let page = get(&server, "/metrics", &[]).body;
    assert_eq!(number(&page, "chaski_queues"), 2);
    assert_eq!(number(&page, "chaski_messages_published_total"), 7);
    assert_eq!(number(&page, "chaski_messages_unroutable_total"), 1);
    assert!(number(&page, "chaski_messages_delivered_total{way=\"consume\"}") >= 4);
    assert_eq!(
        number(&page, "chaski_messages_settled_total{outcome=\"acked\"}"),
        4
    );
    let puts =
        "chaski_http_requests_total{method=\"PUT\",route=\"/v1/queues/{queue}\",status=\"201\"}";
    assert_eq!(number(&page, puts), 2);
}

#[test]
fn a_log_for_programs_is_one_object_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let log = directory.path().join("log");
    let mut command = command(&data);
    command.stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
    let arguments = [
        "--http",
        "127.0.0.1:0",
        "--set",
        "log.format=json",
        "--set",
        "log.level=debug",
    ];
    let mut server = Server::start_by(command, &data, &arguments);
    let answer = get(
        &server,
        "/v1/queues?name=secret-value",
        &[GUEST, "X-Request-Id: seen-1"],
    );
    assert_eq!(answer.status, 200);
    let sent = server.chaski(&[
        "publish",
        "--url",
        &server.url(),
        "-k",
        "nowhere",
        "secret-value",
    ]);
    assert!(!sent.status.success());
    server.signal(Signal::TERM);
    assert!(server.ended().success());
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of_request = lines.iter().find(|line| line["fields"]["id"] == "seen-1");
    let fields = &of_request.expect("the request has a line")["fields"];
    assert_eq!(fields["route"], "/v1/queues");
    assert_eq!(fields["login"], "guest");
    assert_eq!(fields["status"], 200);
    let opened = lines.iter().find(|line| {
        line["fields"]["message"] == "connection opened" && line["fields"]["protocol"] == "amqp"
    });
    assert!(opened.expect("the connection has a line")["fields"]["connection"].is_u64());
    assert!(!text.contains("secret-value"), "{text}");
}
