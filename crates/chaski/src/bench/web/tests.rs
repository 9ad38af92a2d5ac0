use clap::Parser;
use client::load::Target;

use super::*;

#[derive(Parser)]
enum Bench {
    Http(HttpArgs),
    Grpc(GrpcArgs),
}

fn read(line: &str) -> Result<LoadOptions, String> {
    let words = ["bench"].into_iter().chain(line.split_whitespace());
    let options = match Bench::try_parse_from(words).map_err(|error| error.to_string())? {
        Bench::Http(args) => args.options(),
        Bench::Grpc(args) => args.options(),
    };
    options.check().map(|()| options)
}

fn options(line: &str) -> LoadOptions {
    read(line).expect(line)
}

fn door(options: &LoadOptions) -> Door {
    match &options.target {
        Target::Web(target) => target.door,
        Target::Amqp { .. } | Target::Relay(_) | Target::Nats(_) => panic!("no door"),
    }
}

#[test]
fn publishers_alone_go_to_one_queue_without_a_limit() {
    let http = options("http -d -p 8 --max-length 9");
    assert_eq!(door(&http), Door::Http { one_stream: false });
    assert_eq!((http.producers, http.consumers, http.queues), (8, 0, 1));
    assert_eq!((http.routing, http.confirms), (Routing::Queue, Some(100)));
    assert_eq!((http.durable, http.persistent), (true, true));
    let length = ("x-max-length".to_owned(), QueueArgument::Number(9));
    assert_eq!(http.queue_arguments, [length]);
    assert_eq!(http.backlog_max, None);
    assert_eq!(options("http --batch 1").confirms, Some(1));
    let streams = options("grpc --confirms 7");
    assert_eq!(door(&streams), Door::Grpc { unary: false });
    assert_eq!(streams.confirms, Some(7));
    let calls = options("grpc --batch 8");
    assert_eq!(door(&calls), Door::Grpc { unary: true });
    assert_eq!(calls.confirms, Some(8));
}

#[test]
fn every_reader_counts_as_a_queue_and_producers_wait_for_them() {
    for line in ["http -r 100 -s 100", "grpc -r 100 -s 100"] {
        let fanout = options(line);
        assert_eq!((fanout.consumers, fanout.queues), (100, 100), "{line}");
        assert_eq!(fanout.routing, Routing::Fanout);
        assert_eq!(fanout.backlog_max, Some(100_000));
    }
    let one = options("http -r 2 --one-stream --backlog-max 0");
    assert_eq!(door(&one), Door::Http { one_stream: true });
    assert_eq!(one.backlog_max, None);
}

#[test]
fn consumers_acknowledge() {
    let consumed = options("grpc -c 2 --prefetch 10 --ack-every 5");
    let expected = AckMode::Manual {
        prefetch: 10,
        every: 5,
    };
    assert_eq!((consumed.consumers, consumed.acks), (2, expected));
    assert_eq!(consumed.routing, Routing::Queue);
    let backlog = options("grpc -c 1 --backlog 1000");
    assert_eq!(backlog.length, RunLength::Backlog(1_000));
    assert_eq!(backlog.backlog_max, None);
    let counted = options("grpc -c 1 --messages 5");
    assert_eq!(counted.length, RunLength::Messages(5));
}

#[test]
fn what_contradicts_itself_is_refused() {
    for line in [
        "http --batch 0",
        "http --one-stream",
        "http --url https://host",
        "http --size 1..2",
        "grpc --batch 1 --confirms 1",
        "grpc -c 1 -r 1",
        "grpc --backlog 10",
        "grpc -c 1 --backlog 10 --messages 10",
        "grpc -p 0",
    ] {
        assert!(read(line).is_err(), "{line}");
    }
}
