CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES
    ('room', 0),     -- the highest number of a room or conversation that was ever given
    ('message', 0),  -- the highest id of a message that was ever given
    ('indexed', 0);  -- the id up to which messages are in `words`

CREATE TABLE rooms (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    name       TEXT NOT NULL,
    fold       TEXT NOT NULL UNIQUE,
    skeleton   TEXT NOT NULL UNIQUE,
    owner      TEXT COLLATE NOCASE,
    keep       INTEGER NOT NULL CHECK (keep IN (0, 1)),
    topic      TEXT NOT NULL,
    slow_s     INTEGER NOT NULL CHECK (slow_s >= 0),
    created_ms INTEGER NOT NULL,
    head       INTEGER NOT NULL CHECK (head >= 0)  -- the newest message's `seq`
) STRICT;

CREATE TABLE sanctions (
    room     INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    login    TEXT NOT NULL COLLATE NOCASE,
    kind     TEXT NOT NULL CHECK (kind IN ('ban', 'mute')),
    until_ms INTEGER,  -- nothing: for good
    "by"     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (room, login, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
    number  INTEGER PRIMARY KEY CHECK (number > 0),
    one     TEXT NOT NULL COLLATE NOCASE,
    other   TEXT NOT NULL COLLATE NOCASE CHECK (one <= other),
    head    INTEGER NOT NULL CHECK (head >= 0),
    last_ms INTEGER NOT NULL,
    UNIQUE (one, other)
) STRICT;
CREATE INDEX conversations_by_other ON conversations (other);

-- Rooms and conversations that are gone and whose messages have still to go.
CREATE TABLE gone (
    room INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE messages (
    id         INTEGER PRIMARY KEY CHECK (id > 0),
    room       INTEGER NOT NULL,     -- of `rooms`, `conversations` or `gone`
    seq        INTEGER NOT NULL CHECK (seq > 0),
    author     TEXT NOT NULL COLLATE NOCASE,
    text       TEXT NOT NULL,
    is_action  INTEGER NOT NULL CHECK (is_action IN (0, 1)),
    sent_id    TEXT,
    reply_to   INTEGER,
    mentions   TEXT NOT NULL,        -- logins, a line each
    at_ms      INTEGER NOT NULL,
    edited_ms  INTEGER,
    deleted_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX messages_by_room ON messages (room, seq);
CREATE UNIQUE INDEX messages_by_sent_id ON messages (author, sent_id) WHERE sent_id IS NOT NULL;

CREATE TABLE reactions (
    id      INTEGER PRIMARY KEY,     -- rises within a message
    message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    emoji   TEXT NOT NULL,
    login   TEXT NOT NULL COLLATE NOCASE,
    UNIQUE (message, emoji, login)
) STRICT;

CREATE TABLE people (
    login        TEXT PRIMARY KEY COLLATE NOCASE,
    created_ms   INTEGER,            -- nothing: not known yet
    language     TEXT NOT NULL DEFAULT '',
    last_seen_ms INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE positions (
    login  TEXT NOT NULL COLLATE NOCASE,
    room   INTEGER NOT NULL,
    read   INTEGER NOT NULL DEFAULT 0,
    notify TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (login, room)
) STRICT, WITHOUT ROWID;
CREATE INDEX positions_by_room ON positions (room);

-- Messages that name somebody who has not read them.
CREATE TABLE mentions (
    login TEXT NOT NULL COLLATE NOCASE,
    room  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (login, room, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX mentions_by_message ON mentions (room, seq);

CREATE TABLE blocks (
    login   TEXT NOT NULL COLLATE NOCASE,
    blocked TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (login, blocked)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE words USING fts5(
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
