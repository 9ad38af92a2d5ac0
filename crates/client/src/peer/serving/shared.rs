//! What the catalog has, as other peers ask for it.

use std::io;

use files::content::Root;

use super::{Contents, Stored};
use crate::peer::catalog::{Catalog, CatalogError};

impl Contents for Catalog {
    fn open(&self, root: &Root) -> io::Result<Option<Stored>> {
        let Some(holding) = self.find(root).map_err(failed)? else {
            return Ok(None);
        };
        let file = match holding.open() {
            Ok(file) => file,
            // It was changed or removed since it was found.
            Err(error) if is_change(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let modified = file.metadata()?.modified()?;
        Ok(Some(Stored {
            file,
            size: holding.size,
            modified: holding.have.is_none().then_some(modified),
            segments: self.top(root).map_err(failed)?,
            have: holding.have,
        }))
    }

    fn segment(&self, root: &Root, segment: u32) -> io::Result<Option<Vec<u8>>> {
        Self::segment(self, root, segment).map_err(failed)
    }

    fn is_member(&self, collection: &Root, root: &Root) -> io::Result<bool> {
        Self::is_member(self, collection, root).map_err(failed)
    }
}

fn is_change(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::NotFound
    )
}

fn failed(error: CatalogError) -> io::Error {
    io::Error::other(error.to_string())
}
