//! The page for browsers, as it was built from `web/`: bytes and names, nothing else.
//!
//! A crate of its own beside the server, so that a change of the page compiles this and links the binary again, and compiles
//! nothing else (ADR 0019). Never builds the page; without `web/dist` it is empty.
//!
//! Start reading at [`FILES`].

/// One file of the page.
#[derive(Clone, Copy)]
pub struct File {
    /// Its path inside `web/dist`, with slashes. What was compressed before stands beside the original, as `NAME.br` and `NAME.gz`.
    pub name: &'static str,
    /// What it holds.
    pub bytes: &'static [u8],
}

/// The files of the page, by their names; none if it was not built.
pub static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));
