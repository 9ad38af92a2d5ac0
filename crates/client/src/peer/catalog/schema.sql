CREATE TABLE head (
    id       INTEGER PRIMARY KEY CHECK (id = 0),
    revision INTEGER NOT NULL,   -- of the last modification
    floor    INTEGER NOT NULL    -- removals up to this revision are no longer known
) STRICT;

CREATE TABLE shares (
    id       INTEGER PRIMARY KEY,
    folder   BLOB NOT NULL UNIQUE,  -- absolute
    label    TEXT NOT NULL UNIQUE,  -- what its entries in the index begin with
    audience TEXT NOT NULL,         -- JSON, as the index has it
    shared   INTEGER NOT NULL CHECK (shared IN (0, 1))
) STRICT;

CREATE TABLE contents (
    id   INTEGER PRIMARY KEY,
    root BLOB NOT NULL UNIQUE CHECK (length(root) = 32),
    size INTEGER NOT NULL CHECK (size >= 0),
    top  BLOB                    -- of contents of more than one segment
) STRICT;

-- Of contents of more than one group; a partial one lacks those that nobody has asked for yet.
CREATE TABLE segments (
    content INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    hashes  BLOB NOT NULL,
    PRIMARY KEY (content, number)
) STRICT;

CREATE TABLE files (
    id       INTEGER PRIMARY KEY,
    path     BLOB NOT NULL UNIQUE,               -- absolute
    share    INTEGER REFERENCES shares,          -- null: in no folder that is shared
    relative TEXT,                               -- below the share's folder; empty for the collection of the folder itself
    content  INTEGER NOT NULL REFERENCES contents,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    birth_ns INTEGER NOT NULL,                   -- 0: not known
    mode     INTEGER NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1)),  -- file, collection
    since_ms INTEGER NOT NULL,
    have     BLOB,                               -- null: all of it
    revision INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX files_by_content ON files (content);
CREATE INDEX files_by_share ON files (share, relative);
CREATE INDEX files_by_inode ON files (inode);

CREATE TABLE removals (
    file     TEXT PRIMARY KEY,
    revision INTEGER NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    collection INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE,
    root       BLOB NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (collection, root)
) STRICT, WITHOUT ROWID;
