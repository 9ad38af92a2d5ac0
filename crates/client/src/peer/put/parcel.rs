//! What is put: a file, or a folder with its list, hashed and held ready to be served.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use files::collection::{CollectionError, Entry, Kind};
use files::content::{Chaining, Outline, OutlineError, Root, Shape, TooLarge};
use files::limits::GROUP_BYTES;
use files::path::{PathRefused, RelativePath};
use rustix::fs::{MemfdFlags, OFlags, memfd_create};

use crate::peer::catalog::Stamp;
use crate::peer::serving::{Contents, Stored};
use crate::peer::share::LeftOut;
use crate::peer::share::collect::{mode_of, without_clashes};
use crate::peer::share::walk::{Met, Walk};

/// Groups that are read at once: 1 MiB.
const BUFFER_GROUPS: u32 = 4;

/// Why something cannot be put.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is neither a file nor a folder.
    #[error("{} is neither file nor folder", .0.display())]
    Special(PathBuf),
    /// Its name could do harm elsewhere.
    #[error(transparent)]
    Name(#[from] PathRefused),
    /// It is larger than any content.
    #[error("{}: {source}", path.display())]
    TooLarge {
        /// What.
        path: PathBuf,
        /// How large.
        source: TooLarge,
    },
    /// It was written while it was read.
    #[error("{} was changed while it was read", .0.display())]
    Changed(PathBuf),
    /// The folder has no list.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// The list of the folder cannot be hashed.
    #[error(transparent)]
    Outline(#[from] OutlineError),
}

/// What happens while something is packed.
#[derive(Debug)]
pub enum Packing {
    /// So many bytes more are hashed.
    Hashed(u64),
    /// Something in the folder is left out: what, and why.
    LeftOut(String, LeftOut),
}

/// Something that is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What to call it.
    pub name: String,
    /// The content: of a folder its list.
    pub root: Root,
    /// The bytes of that.
    pub size: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// All of its bytes.
    pub total: u64,
    /// Its files.
    pub files: u64,
}

/// What is put, as receivers fetch it.
#[derive(Debug, Default)]
pub struct Parcels {
    contents: HashMap<Root, Packed>,
    /// What is in each folder.
    members: HashMap<Root, HashSet<Root>>,
}

/// Where the bytes of a content are.
#[derive(Debug)]
enum Place {
    File(PathBuf, Stamp),
    /// The list of a folder, in memory.
    List(File),
}

#[derive(Debug)]
struct Packed {
    place: Place,
    outline: Outline,
}

impl Parcels {
    /// Hashes a file, or a folder with all that is in it but for hidden files and symbolic links.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn pack(
        &mut self,
        path: &Path,
        mut tell: impl FnMut(Packing),
    ) -> Result<Parcel, PackError> {
        let unreadable = |source| PackError::Unreadable {
            path: path.to_owned(),
            source,
        };
        // A link that was named is followed, and `.` has a name.
        let real = fs::canonicalize(path).map_err(unreadable)?;
        let named = path.file_name().or_else(|| real.file_name());
        let name = named.unwrap_or_default().as_encoded_bytes();
        let name = RelativePath::parse_bytes(name)?.as_str().to_owned();
        let facts = fs::metadata(&real).map_err(unreadable)?;
        if facts.is_dir() {
            return self.pack_folder(name, &real, &mut tell);
        }
        let (root, size) = self.pack_file(&real, &mut tell)?;
        Ok(Parcel {
            name,
            root,
            size,
            is_folder: false,
            total: size,
            files: 1,
        })
    }

    fn pack_file(
        &mut self,
        path: &Path,
        tell: &mut impl FnMut(Packing),
    ) -> Result<(Root, u64), PackError> {
        let (outline, stamp) = hash(path, tell)?;
        let (root, size) = (outline.root(), outline.shape().size());
        let place = Place::File(path.to_owned(), stamp);
        self.contents.insert(root, Packed { place, outline });
        Ok((root, size))
    }

    fn pack_folder(
        &mut self,
        name: String,
        folder: &Path,
        tell: &mut impl FnMut(Packing),
    ) -> Result<Parcel, PackError> {
        let mut entries = Vec::new();
        let mut walk = Walk::new(folder, "");
        while let Some(met) = walk.next() {
            let (path, facts, kind) = match met {
                Met::Folder(path, facts) => (path, facts, Kind::Folder),
                Met::File(path, facts) => {
                    let (root, size) = self.pack_file(&path.below(folder), tell)?;
                    (path, facts, Kind::File { size, root })
                }
                Met::LeftOut(shown, reason) => {
                    tell(Packing::LeftOut(shown, reason));
                    continue;
                }
            };
            let mode = mode_of(facts.mode());
            entries.push(Entry { path, mode, kind });
        }
        let (collection, left_out) = without_clashes(entries)?;
        for (shown, reason) in left_out {
            tell(Packing::LeftOut(shown, LeftOut::Manifest(reason)));
        }
        let files = collection.entries().iter();
        let members = files.filter_map(|entry| match entry.kind {
            Kind::File { root, .. } => Some(root),
            Kind::Folder => None,
        });
        let members: Vec<Root> = members.collect();
        let text = collection.encode();
        let outline = Outline::of(text.as_bytes())?;
        let list = in_memory(text.as_bytes()).map_err(|source| PackError::Unreadable {
            path: folder.to_owned(),
            source,
        })?;
        let (root, size) = (outline.root(), outline.shape().size());
        let place = Place::List(list);
        self.contents.insert(root, Packed { place, outline });
        let files = members.len() as u64;
        self.members.insert(root, members.into_iter().collect());
        Ok(Parcel {
            name,
            root,
            size,
            is_folder: true,
            total: collection.size(),
            files,
        })
    }
}

impl Contents for Parcels {
    fn open(&self, root: &Root) -> io::Result<Option<Stored>> {
        let Some(packed) = self.contents.get(root) else {
            return Ok(None);
        };
        let file = match &packed.place {
            Place::List(list) => list.try_clone()?,
            Place::File(path, stamp) => {
                let file = open(path)?;
                // It was changed since it was hashed.
                if Stamp::of(&file.metadata()?) != *stamp {
                    return Ok(None);
                }
                file
            }
        };
        Ok(Some(Stored {
            modified: Some(file.metadata()?.modified()?),
            file,
            size: packed.outline.shape().size(),
            segments: packed.outline.top().encode(),
            have: None,
        }))
    }

    fn segment(&self, root: &Root, segment: u32) -> io::Result<Option<Vec<u8>>> {
        let packed = self.contents.get(root);
        let segment = packed.and_then(|packed| packed.outline.segment(segment));
        Ok(segment.map(|segment| segment.encode()))
    }

    fn is_member(&self, collection: &Root, root: &Root) -> io::Result<bool> {
        let members = self.members.get(collection);
        Ok(members.is_some_and(|members| members.contains(root)))
    }
}

/// The content that a file or folder is.
///
/// # Errors
/// It cannot be read.
pub(in crate::peer) fn root_of(path: &Path) -> Result<Root, PackError> {
    Ok(Parcels::default().pack(path, drop)?.root)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Reads a file to its end.
fn hash(path: &Path, tell: &mut impl FnMut(Packing)) -> Result<(Outline, Stamp), PackError> {
    let unreadable = |source| PackError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let changed = || PackError::Changed(path.to_owned());
    let file = open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(PackError::Special(path.to_owned()));
    }
    let shape = Shape::new(facts.len()).map_err(|source| PackError::TooLarge {
        path: path.to_owned(),
        source,
    })?;
    let mut values = vec![Chaining::default(); shape.groups() as usize];
    let mut buffer = vec![0; (u64::from(BUFFER_GROUPS) * GROUP_BYTES) as usize];
    let mut first = 0;
    for values in values.chunks_mut(BUFFER_GROUPS as usize) {
        let end = (first + BUFFER_GROUPS).min(shape.groups());
        let place = shape.bytes_of(first..end);
        let bytes = &mut buffer[..(place.end - place.start) as usize];
        file.read_exact_at(bytes, place.start).map_err(|error| {
            // It ends earlier than it did.
            if error.kind() == io::ErrorKind::UnexpectedEof {
                changed()
            } else {
                unreadable(error)
            }
        })?;
        shape
            .hash_groups(first, bytes, values)
            .map_err(|_| changed())?;
        tell(Packing::Hashed(bytes.len() as u64));
        first = end;
    }
    let stamp = Stamp::of(&facts);
    if Stamp::of(&file.metadata().map_err(unreadable)?) != stamp {
        return Err(changed());
    }
    let outline = Outline::new(shape, values).map_err(|_| changed())?;
    Ok((outline, stamp))
}

/// A file that is nowhere.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("list", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}
