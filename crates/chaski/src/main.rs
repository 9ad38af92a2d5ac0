//! The command line of Chaski.

fn main() {}
