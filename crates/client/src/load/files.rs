//! Files between peers: sources and one that fetches, all in this process, over loopback and TLS, checked, written and synced.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use files::collection::{Collection, Entry, Kind};
use files::content::{Builder, Outline, Root, Shape};
use files::path::RelativePath;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::usage::own_cpu_s;
use crate::peer::Permission;
use crate::peer::download::{Download, DownloadError, Means, SourcePeer, Status, Wanted};
use crate::peer::folder::{self, FolderError};
use crate::peer::identity::Identity;
use crate::peer::serving::{Contents, Gate, Stored, serve};

/// What the one that fetches shows to every source.
const SECRET: [u8; 32] = [1; 32];

/// What is measured.
#[derive(Debug, Clone)]
pub struct FilesOptions {
    /// Where the files lie, those of the sources and what was fetched.
    pub directory: PathBuf,
    /// Files; more than one are fetched as a folder.
    pub files: u32,
    /// Bytes of each.
    pub bytes: usize,
    /// Peers that have them.
    pub sources: usize,
    /// The files are left there. On ext4 the inodes of deleted files are passed over for minutes, one by one, so
    /// that whatever makes many files after this would be slow.
    pub keeps: bool,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct FilesReport {
    /// Files that were fetched.
    pub files: u32,
    /// Their bytes, all together.
    pub bytes: u64,
    /// Peers that had them.
    pub sources: usize,
    /// From the first question to everything synced under its name, in seconds.
    pub seconds: f64,
    /// Mebibytes per second.
    pub mib_per_s: f64,
    /// Files per second.
    pub files_per_s: f64,
    /// Processor seconds of both ends for each GiB.
    pub cpu_s_per_gib: f64,
    /// The most memory that both ends together had resident, in MiB.
    pub peak_mib: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The disk or the system refuses.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The content cannot be made.
    #[error("the content cannot be made: {0}")]
    Content(String),
    /// The file was not fetched.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The folder was not fetched.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Measures.
///
/// # Errors
/// [`FilesError`].
pub fn run(options: &FilesOptions) -> Result<FilesReport, FilesError> {
    let place = options
        .directory
        .join(format!("chaski-bench-files-{}", std::process::id()));
    fs::create_dir(&place)?;
    let measured = measure(options, &place);
    if !options.keeps {
        fs::remove_dir_all(&place)?;
    }
    measured
}

fn measure(options: &FilesOptions, place: &Path) -> Result<FilesReport, FilesError> {
    let shelf = Arc::new(Shelf::fill(options, &place.join("shared"))?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (stop, _) = watch::channel(false);
    let sources: Result<Vec<_>, FilesError> = runtime.block_on(async {
        let mut sources = Vec::new();
        for number in 0..options.sources {
            sources.push(start(number, &shelf, &stop).await?);
        }
        Ok(sources)
    });
    let sources = sources?;
    // What was written for the sources is not to be synced within the measurement.
    rustix::fs::sync();
    forget_peak();
    let cpu_s = own_cpu_s();
    let began = Instant::now();
    runtime.block_on(fetch(&shelf, &sources, place.join("fetched")))?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu_s = own_cpu_s() - cpu_s;
    stop.send_replace(true);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let mib = (options.bytes as u64 * u64::from(options.files)) as f64 / f64::from(1 << 20);
    Ok(FilesReport {
        files: options.files,
        bytes: options.bytes as u64 * u64::from(options.files),
        sources: options.sources,
        seconds,
        mib_per_s: mib / seconds,
        files_per_s: f64::from(options.files) / seconds,
        cpu_s_per_gib: cpu_s / mib * 1_024.0,
        peak_mib: peak_mib(),
    })
}

/// What all sources have: the same files.
struct Shelf {
    contents: HashMap<Root, (PathBuf, Outline)>,
    /// What is fetched.
    wanted: Root,
    size: u64,
    is_folder: bool,
}

impl Shelf {
    fn fill(options: &FilesOptions, place: &Path) -> Result<Self, FilesError> {
        fs::create_dir(place)?;
        let mut contents = HashMap::new();
        let mut entries = Vec::new();
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        let mut wanted = Root::of(b"");
        let failed = |error: &dyn std::fmt::Display| FilesError::Content(error.to_string());
        for number in 0..options.files {
            let name = format!("{:02}/file-{number:05}", number % 64);
            let path = place.join(&name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let outline = fill(&path, options.bytes as u64, &mut noise)?;
            wanted = outline.root();
            let size = options.bytes as u64;
            entries.push((name, size, wanted));
            contents.insert(wanted, (path, outline));
        }
        if options.files == 1 {
            let size = options.bytes as u64;
            return Ok(Self {
                contents,
                wanted,
                size,
                is_folder: false,
            });
        }
        let manifest = manifest(&entries).map_err(FilesError::Content)?;
        let path = place.join("manifest");
        fs::write(&path, &manifest)?;
        let outline = Outline::of(manifest.as_bytes()).map_err(|error| failed(&error))?;
        let wanted = outline.root();
        contents.insert(wanted, (path, outline));
        Ok(Self {
            contents,
            wanted,
            size: manifest.len() as u64,
            is_folder: true,
        })
    }
}

/// Writes a file of noise, group by group: what it took is not to be found in the figure of memory.
fn fill(path: &Path, size: u64, noise: &mut Noise) -> Result<Outline, FilesError> {
    let failed = |error: &dyn std::fmt::Display| FilesError::Content(error.to_string());
    let shape = Shape::new(size).map_err(|error| failed(&error))?;
    let mut builder = Builder::new(shape);
    let mut file = File::create(path)?;
    let mut bytes = Vec::new();
    for group in 0..shape.groups() {
        bytes.resize(
            usize::try_from(shape.group_bytes(group)).unwrap_or_default(),
            0,
        );
        noise.fill(&mut bytes);
        builder
            .update(group, &bytes)
            .map_err(|error| failed(&error))?;
        file.write_all(&bytes)?;
    }
    builder.finish().map_err(|error| failed(&error))
}

/// Lists files and the folders that they are in.
fn manifest(files: &[(String, u64, Root)]) -> Result<String, String> {
    let path = |name: &str| RelativePath::parse(name).map_err(|refused| refused.to_string());
    let mut folders: Vec<_> = files
        .iter()
        .filter_map(|(name, _, _)| name.split_once('/').map(|(folder, _)| folder))
        .collect();
    folders.sort_unstable();
    folders.dedup();
    let mut entries = Vec::new();
    for folder in folders {
        entries.push(Entry {
            path: path(folder)?,
            mode: 0o755,
            kind: Kind::Folder,
        });
    }
    for (name, size, root) in files {
        let kind = Kind::File {
            size: *size,
            root: *root,
        };
        entries.push(Entry {
            path: path(name)?,
            mode: 0o644,
            kind,
        });
    }
    let collection = Collection::new(entries).map_err(|error| error.to_string())?;
    Ok(collection.encode())
}

impl Contents for Shelf {
    fn open(&self, root: &Root) -> io::Result<Option<Stored>> {
        let Some((path, outline)) = self.contents.get(root) else {
            return Ok(None);
        };
        let file = File::open(path)?;
        Ok(Some(Stored {
            modified: Some(file.metadata()?.modified()?),
            file,
            size: outline.shape().size(),
            segments: outline.top().encode(),
            have: None,
        }))
    }

    fn segment(&self, root: &Root, segment: u32) -> io::Result<Option<Vec<u8>>> {
        let found = self.contents.get(root);
        Ok(found.and_then(|(_, outline)| Some(outline.segment(segment)?.encode())))
    }

    fn is_member(&self, collection: &Root, _root: &Root) -> io::Result<bool> {
        Ok(*collection == self.wanted)
    }
}

async fn start(
    number: usize,
    shelf: &Arc<Shelf>,
    stop: &watch::Sender<bool>,
) -> Result<SourcePeer, FilesError> {
    let identity = Identity::passing()?;
    let gate = Arc::new(Gate::new(identity.fingerprint()));
    gate.offer(SECRET, shelf.wanted);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let source = SourcePeer {
        name: format!("source {number}"),
        addresses: vec![listener.local_addr()?.to_string()],
        key: identity.fingerprint(),
        permission: Permission::Secret(SECRET.to_vec()),
        detour: None,
    };
    let (shelf, stopping) = (shelf.clone(), stop.subscribe());
    tokio::spawn(async move { serve(listener, &identity, shelf, gate, stopping).await });
    Ok(source)
}

async fn fetch(shelf: &Shelf, sources: &[SourcePeer], target: PathBuf) -> Result<(), FilesError> {
    let (sender, found) = mpsc::channel(sources.len().max(1));
    for source in sources {
        // There is room for all.
        let _ = sender.try_send(source.clone());
    }
    drop(sender);
    let wanted = Wanted {
        root: shelf.wanted,
        size: shelf.size,
        collection: None,
        target,
        overwrite: false,
    };
    let status = watch::channel(Status::default()).0;
    let means = Means {
        seed: 1,
        ..Means::default()
    };
    if shelf.is_folder {
        folder::fetch(wanted, means, found, status).await?;
    } else {
        let download = Download {
            wanted,
            sources: found,
            status,
            means,
        };
        download.run().await?;
    }
    Ok(())
}

/// Bytes that no disk and no file system can make smaller.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let word = self.0.to_le_bytes();
            chunk.copy_from_slice(word.get(..chunk.len()).unwrap_or(&word));
        }
    }
}

/// Begins anew to look for the most memory.
fn forget_peak() {
    // Where the system does not let it, the figure is of the whole run.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() as f64 / 1_024.0
}
