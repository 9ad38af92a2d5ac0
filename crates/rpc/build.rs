//! Generates the stubs from `proto/`, with no compiler but Cargo's own.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());

    let mut compiler = protox::Compiler::new([&root])?;
    // With the comments, which become documentation here and are what a reflecting client shows.
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(protos(&root.join("chaski/v1"))?)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    tonic_prost_build::configure()
        // Bodies are shared with the buffer that they came in, not copied.
        .bytes(".chaski.v1.Message.body")
        .bytes(".chaski.v1.Group.data")
        // The same message has the same bytes each time.
        .btree_map(".")
        .compile_fds(compiler.file_descriptor_set())?;

    // The interfaces of older systems: named as their clients know them, and shown to nobody who asks what there is.
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true);
    compiler.open_files(protos(&root.join("classroom"))?)?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The proto files of a folder, in the order of their names.
fn protos(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "proto")
    });
    files.sort();
    Ok(files)
}
