//! The open database: reading it whole, and committing changes in groups.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::change::Change;
use crate::error::{CommitError, Failure, Refused};
use crate::file;
use crate::model::Snapshot;
use crate::schema;
use crate::table::{self, ApplyError};

/// The open directory.
///
/// Concurrency: owned by one thread; every method blocks on the disk. Another
/// process may read the file at any time.
#[derive(Debug)]
pub struct Directory {
    connection: Connection,
    path: PathBuf,
    /// The failure after which nothing is written any more.
    poison: Option<Failure>,
}

impl Directory {
    /// Opens the directory, creating it or bringing it up to date if need be.
    ///
    /// Durability: a new file and a new schema are on disk on return.
    ///
    /// Errors: the file cannot be opened, belongs to another program, or was
    /// written by a later version of this one.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            connection: file::open(path, &schema::DIRECTORY)?,
            path: path.to_owned(),
            poison: None,
        })
    }

    /// Reads everything, as of one moment.
    ///
    /// Errors: the disk fails, or a row holds what no version of ours writes.
    pub fn load(&self) -> Result<Snapshot, Failure> {
        table::load(&self.connection).map_err(|source| Failure::new("read", &self.path, source))
    }

    /// Commits the changes, all of them or none.
    ///
    /// Durability: on success they are on disk.
    ///
    /// Errors: the first change that the rules refuse, or a failure.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), CommitError> {
        let verdicts = self.commit_group(&[changes])?;
        for verdict in verdicts {
            verdict?;
        }
        Ok(())
    }

    /// Commits many batches with one synchronisation of the disk.
    ///
    /// Each batch is committed whole or not at all, and sees those before it. A
    /// refused batch does not affect the others; a failure affects them all.
    ///
    /// Shape: one result per batch, in their order.
    ///
    /// Durability: on return every batch with an `Ok` is on disk.
    pub fn commit_batches(&mut self, batches: &[Vec<Change>]) -> Vec<Result<(), CommitError>> {
        let slices: Vec<&[Change]> = batches.iter().map(Vec::as_slice).collect();
        match self.commit_group(&slices) {
            Ok(verdicts) => verdicts
                .into_iter()
                .map(|verdict| verdict.map_err(CommitError::Refused))
                .collect(),
            Err(failure) => batches
                .iter()
                .map(|_| Err(CommitError::Failure(failure.clone())))
                .collect(),
        }
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether a write failed so that what is on disk is unknown: nothing is committed any more.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.poison.is_some()
    }

    fn commit_group(&mut self, batches: &[&[Change]]) -> Result<Vec<Result<(), Refused>>, Failure> {
        if let Some(failure) = &self.poison {
            return Err(failure.clone());
        }
        if batches.iter().all(|batch| batch.is_empty()) {
            return Ok(batches.iter().map(|_| Ok(())).collect());
        }
        write_group(&mut self.connection, batches).map_err(|error| {
            let poisonous = file::is_poisonous(&error);
            let failure = Failure::new("write to", &self.path, error);
            if poisonous {
                self.poison = Some(failure.clone());
            }
            failure
        })
    }
}

/// Writes a group of batches in one transaction, with a savepoint for each.
fn write_group(
    connection: &mut Connection,
    batches: &[&[Change]],
) -> Result<Vec<Result<(), Refused>>, rusqlite::Error> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut verdicts = Vec::with_capacity(batches.len());
    for batch in batches {
        let savepoint = transaction.savepoint()?;
        let applied = batch
            .iter()
            .try_for_each(|change| table::apply(&savepoint, change));
        match applied {
            Ok(()) => {
                savepoint.commit()?;
                verdicts.push(Ok(()));
            }
            Err(ApplyError::Refused(refused)) => {
                // An unfinished savepoint is rolled back.
                savepoint.finish()?;
                verdicts.push(Err(refused));
            }
            Err(ApplyError::Sql(error)) => return Err(error),
        }
    }
    transaction.commit()?;
    Ok(verdicts)
}

#[cfg(test)]
mod tests;
