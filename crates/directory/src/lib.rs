//! Accounts and topology in SQLite.
