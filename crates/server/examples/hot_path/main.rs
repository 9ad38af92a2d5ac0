//! Fixed work on the broker's hot path, for `bench/check.py` to count the instructions of.
//!
//! Bytes of clients go in, through codec, session, engine, broker and store, and the bytes for clients come out: all that the
//! server does for a message but its system calls. One thread does it, the same in every run; the committer works in turns with it.
//!
//! It is an example and not a bench, as Cargo builds benches with panics that unwind: this is the code that `chaski` is made of.

#![expect(clippy::print_stdout, reason = "it reports to bench/check.py")]

mod counting;
mod frames;
mod peer;
mod workloads;
mod world;

use std::path::Path;
use std::process::ExitCode;

use workloads::WORKLOADS;

/// As in `chaski`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str =
    "usage: hot_path list | hot_path prepare WORKLOAD DIR | hot_path run WORKLOAD DIR";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["list"] => {
            for workload in WORKLOADS {
                println!("{}\t{}\t{}", workload.name, workload.unit, workload.what);
            }
            ExitCode::SUCCESS
        }
        [verb @ ("prepare" | "run"), name, dir] => {
            let Some(workload) = WORKLOADS.iter().find(|workload| workload.name == *name) else {
                eprintln!("there is no workload {name}");
                return ExitCode::from(2);
            };
            if *verb == "prepare" {
                (workload.prepare)(Path::new(dir));
            } else {
                println!("{}", (workload.run)(Path::new(dir)));
            }
            // Threads that still run are of no more use: what they have yet to do is not counted.
            std::process::exit(0)
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
