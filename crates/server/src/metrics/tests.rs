use std::time::Duration;

use broker::QueueStatistics;
use engine::QueueView;

use super::catalogue::{PER_QUEUE, TOTALS};
use super::collect::write_queues;
use super::requests::BOUNDS_S;
use super::text::{Kind, Page};
use super::*;
use crate::chat::Numbers;
use crate::files::Files;

const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");

fn view(vhost: &str, name: &str, ready: u64) -> QueueView {
    QueueView {
        vhost: vhost.into(),
        name: name.into(),
        kind: broker::arguments::QueueKind::Classic,
        durable: true,
        auto_delete: false,
        exclusive: false,
        arguments: codec::amqp::field::Table::default(),
        owner: None,
        policy: None,
        partitions: 0,
        partition_of: None,
        statistics: QueueStatistics {
            ready,
            ..QueueStatistics::default()
        },
    }
}

/// The families of a page, by its own words: name, type, help.
fn families(page: &str) -> Vec<(String, String, String)> {
    let helps = page.lines().filter_map(|line| line.strip_prefix("# HELP "));
    let kinds = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    helps
        .zip(kinds)
        .map(|(help, kind)| {
            let (name, help) = help.split_once(' ').expect("a name and a meaning");
            let (same, kind) = kind.split_once(' ').expect("a name and a type");
            assert_eq!(name, same);
            (name.to_owned(), kind.to_owned(), help.to_owned())
        })
        .collect()
}

#[test]
fn the_document_says_what_is_exported() {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<Vec<_>> = rows
        .map(|row| {
            row.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().replace('`', ""))
                .collect()
        })
        .collect();
    let exported: Vec<Vec<_>> = TOTALS
        .iter()
        .chain(PER_QUEUE)
        .map(|family| {
            vec![
                family.name.to_owned(),
                family.kind.name().to_owned(),
                family.labels.join(", "),
                family.help.to_owned(),
            ]
        })
        .collect();
    assert_eq!(documented, exported);
}

#[test]
fn names_follow_the_conventions() {
    let mut names: Vec<_> = TOTALS
        .iter()
        .chain(PER_QUEUE)
        .map(|family| family.name)
        .collect();
    for family in TOTALS.iter().chain(PER_QUEUE) {
        let is_total = family.name.ends_with("_total");
        assert_eq!(is_total, family.kind == Kind::Counter, "{}", family.name);
        assert!(family.help.ends_with('.') && !family.help.contains(['\n', '|']));
    }
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "a name is used twice");
}

#[test]
fn what_is_read_is_what_the_catalogue_lists() {
    let data = tempfile::tempdir().expect("a directory");
    let options = engine::Options {
        data: data.path().to_owned(),
        shards: 1,
        journal_bytes: 1 << 20,
        segment_bytes: 1 << 20,
        guest: true,
        administrator: "admin".to_owned(),
        administrator_password: Some("a password that nobody guesses".to_owned()),
        quotas: broker::topology::Quotas::default(),
        account_limits: engine::AccountLimits::default(),
        memory_high_bytes: u64::MAX,
        memory_resume_bytes: u64::MAX,
        disk_free_low_bytes: 0,
        disk_free_resume_bytes: 0,
        release_memory: || {},
    };
    let (engine, seeds) = engine::Engine::open(&options).expect("it opens");
    let observer = Observer::new(false, None);
    let under_way = observer.begin();
    under_way.answered("GET", "/v1/queues", 200, Duration::from_millis(3));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let page = local.block_on(&runtime, async {
        for seed in seeds {
            tokio::task::spawn_local(seed.grow().run());
        }
        let numbers = Numbers {
            rooms: 2,
            sessions: [("line", 3)].into(),
            said: 4,
            delivered: 12,
            refused_flood: 5,
            ..Numbers::default()
        };
        totals(&engine.handle(), &numbers, &Files::off(), &observer).await
    });
    let expected: Vec<_> = TOTALS
        .iter()
        .map(|family| {
            (
                family.name.to_owned(),
                family.kind.name().to_owned(),
                family.help.to_owned(),
            )
        })
        .collect();
    assert_eq!(families(&page), expected);
    for line in [
        "chaski_vhosts 1",
        "chaski_queues 0",
        "chaski_messages_published_total 0",
        "chaski_messages_died_total{reason=\"delivery_limit\"} 0",
        "chaski_alarm{cause=\"operator_disk\"} 0",
        "chaski_chat_rooms 2",
        "chaski_chat_sessions{door=\"line\"} 3",
        "chaski_chat_messages_said_total 4",
        "chaski_chat_messages_delivered_total 12",
        "chaski_chat_refused_total{reason=\"flood\"} 5",
        "chaski_chat_commit_duration_seconds_bucket{le=\"+Inf\"} 0",
        "chaski_http_requests_total{method=\"GET\",route=\"/v1/queues\",status=\"200\"} 1",
        "chaski_http_request_duration_seconds_bucket{method=\"GET\",route=\"/v1/queues\",le=\"0.0025\"} 0",
        "chaski_http_request_duration_seconds_bucket{method=\"GET\",route=\"/v1/queues\",le=\"0.005\"} 1",
        "chaski_http_request_duration_seconds_bucket{method=\"GET\",route=\"/v1/queues\",le=\"+Inf\"} 1",
        "chaski_http_request_duration_seconds_sum{method=\"GET\",route=\"/v1/queues\"} 0.003",
        "chaski_http_requests_in_flight 0",
    ] {
        assert!(page.lines().any(|known| known == line), "{line}\n{page}");
    }
    // Every sample belongs to the family above it.
    let mut family = String::new();
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            family = kind.split(' ').next().unwrap_or_default().to_owned();
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&family), "{line} in {family}");
        }
    }
}

#[test]
fn every_queue_has_its_own_numbers_and_odd_names_are_escaped() {
    let page = write_queues(&[view("/", "b\"\\\n", 2), view("/", "a", 1)]);
    let expected: Vec<_> = PER_QUEUE
        .iter()
        .map(|family| family.name.to_owned())
        .collect();
    let found: Vec<_> = families(&page)
        .into_iter()
        .map(|(name, _, _)| name)
        .collect();
    assert_eq!(found, expected);
    let ready: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("chaski_queue_messages_ready{"))
        .collect();
    assert_eq!(
        ready,
        [
            "chaski_queue_messages_ready{vhost=\"/\",queue=\"a\"} 1",
            "chaski_queue_messages_ready{vhost=\"/\",queue=\"b\\\"\\\\\\n\"} 2",
        ]
    );
}

#[test]
fn a_page_holds_a_histogram_that_adds_up() {
    let observer = Observer::new(false, None);
    for ms in [1, 2, 40, 120_000] {
        observer
            .begin()
            .answered("POST", "/x", 201, Duration::from_millis(ms));
    }
    let counted = observer.requests().counted();
    let series = &counted.routes[0];
    let mut page = Page::default();
    page.family(&catalogue::REQUEST_SECONDS).histogram(
        &["POST", "/x"],
        &BOUNDS_S,
        &series.durations,
        series.seconds,
    );
    let page = page.finish();
    let below = |bound: &str| {
        let start = format!(
            "chaski_http_request_duration_seconds_bucket{{method=\"POST\",route=\"/x\",le=\"{bound}\"}} "
        );
        let line = page.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|count| count.parse::<u64>().ok())
    };
    assert_eq!(
        [
            below("0.001"),
            below("0.0025"),
            below("0.05"),
            below("60"),
            below("+Inf")
        ],
        [Some(1), Some(2), Some(3), Some(3), Some(4)]
    );
    assert!(page.contains("_count{method=\"POST\",route=\"/x\"} 4\n"));
}
