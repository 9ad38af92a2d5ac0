CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES
    ('peer', 0);  -- the highest number of a peer that was ever given

CREATE TABLE peers (
    id         TEXT PRIMARY KEY,
    number     INTEGER NOT NULL UNIQUE,  -- its files have it; another one when they begin anew
    login      TEXT NOT NULL COLLATE NOCASE,
    account_ms INTEGER NOT NULL,         -- when the account was made
    name       TEXT NOT NULL,
    addresses  TEXT NOT NULL,            -- a line each
    key        BLOB NOT NULL CHECK (length(key) = 32),
    relay      INTEGER NOT NULL CHECK (relay IN (0, 1)),
    revision   INTEGER NOT NULL CHECK (revision >= 0),
    files      INTEGER NOT NULL CHECK (files >= 0),
    seen_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX peers_by_login ON peers (login);

-- Numbers of peers that are gone and whose files have still to go.
CREATE TABLE gone (
    number INTEGER PRIMARY KEY
) STRICT;

-- Sets of those who may see a file; 1 is everyone, 2 whoever has a link.
CREATE TABLE audiences (
    number INTEGER PRIMARY KEY,
    form   TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO audiences (number, form) VALUES (1, 'everyone'), (2, 'link');

CREATE TABLE audience_members (
    kind       TEXT NOT NULL CHECK (kind IN ('room', 'account')),
    name       TEXT NOT NULL COLLATE NOCASE,
    created_ms INTEGER NOT NULL,         -- tells it from a later one of the same name
    audience   INTEGER NOT NULL REFERENCES audiences ON DELETE CASCADE,
    PRIMARY KEY (kind, name, created_ms, audience)
) STRICT, WITHOUT ROWID;
CREATE INDEX audience_members_by_audience ON audience_members (audience);

CREATE TABLE files (
    id       INTEGER PRIMARY KEY,
    peer     INTEGER NOT NULL,           -- `number` of `peers`, or of `gone`
    file     TEXT NOT NULL,
    name     TEXT NOT NULL,
    fold     TEXT NOT NULL,              -- the name without case and accents
    path     TEXT,                       -- nothing: as `file`
    size     INTEGER NOT NULL CHECK (size >= 0),
    root     BLOB NOT NULL CHECK (length(root) = 32),
    type     TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('file', 'collection')),
    have     BLOB,                       -- nothing: the whole
    part     REAL NOT NULL,
    since_ms INTEGER NOT NULL,
    audience INTEGER NOT NULL REFERENCES audiences
) STRICT;
CREATE UNIQUE INDEX files_by_peer ON files (peer, file);
CREATE INDEX files_by_name ON files (fold);
CREATE INDEX files_by_size ON files (size);
CREATE INDEX files_by_since ON files (since_ms);
CREATE INDEX files_by_root ON files (root);
CREATE INDEX files_by_audience ON files (audience);

CREATE VIRTUAL TABLE words USING fts5(
    fold, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 0'
);

CREATE TABLE links (
    id         TEXT PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256 of the capability
    login      TEXT NOT NULL COLLATE NOCASE,
    account_ms INTEGER NOT NULL,
    root       BLOB NOT NULL CHECK (length(root) = 32),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER                   -- nothing: for good
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_login ON links (login);

-- What rooms were told of.
CREATE TABLE cards (
    room       TEXT NOT NULL COLLATE NOCASE,
    created_ms INTEGER NOT NULL,
    root       BLOB NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (room, created_ms, root)
) STRICT, WITHOUT ROWID;
