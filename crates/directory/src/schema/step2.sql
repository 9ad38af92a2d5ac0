-- People who own what they make: profiles and roles, sessions, invitations,
-- grants, keys, quotas, webhooks, partitioned queues and the audit log.

ALTER TABLE accounts ADD COLUMN role TEXT NOT NULL DEFAULT 'service'
    CHECK (role IN ('administrator', 'member', 'service'));
ALTER TABLE accounts ADD COLUMN first_names TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN last_names TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN age INTEGER CHECK (age BETWEEN 1 AND 150);
ALTER TABLE accounts ADD COLUMN gender TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN created_ms INTEGER NOT NULL DEFAULT 0  -- 0: before this step
    CHECK (created_ms >= 0);
UPDATE accounts SET role = 'administrator'
    WHERE instr(',' || tags || ',', ',administrator,') > 0;
-- No two logins that differ only in the case of ASCII letters.
CREATE UNIQUE INDEX accounts_by_lower_login ON accounts (lower(login));

ALTER TABLE exchanges ADD COLUMN owner TEXT REFERENCES accounts ON DELETE SET NULL;
CREATE INDEX exchanges_by_owner ON exchanges (owner);

CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    login        TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    token_hash   BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),  -- SHA-256
    door         TEXT NOT NULL,
    address      TEXT NOT NULL,
    client       TEXT NOT NULL,
    created_ms   INTEGER NOT NULL CHECK (created_ms >= 0),
    last_seen_ms INTEGER NOT NULL CHECK (last_seen_ms >= 0),
    expires_ms   INTEGER NOT NULL CHECK (expires_ms >= 0),
    csrf_hash    BLOB CHECK (length(csrf_hash) = 32)   -- SHA-256; of cookies only
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_login ON sessions (login, created_ms, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_ms);

CREATE TABLE invitations (
    code_hash  BLOB PRIMARY KEY CHECK (length(code_hash) = 32),  -- SHA-256
    created_by TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
    expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0),
    uses_left  INTEGER NOT NULL CHECK (uses_left BETWEEN 1 AND 4294967295),
    role       TEXT NOT NULL CHECK (role IN ('administrator', 'member', 'service'))
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_by_creator ON invitations (created_by);

CREATE TABLE grants (
    vhost     TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    resource  TEXT NOT NULL CHECK (resource IN ('queue', 'exchange')),
    name      TEXT NOT NULL,
    login     TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    configure INTEGER NOT NULL CHECK (configure IN (0, 1)),
    write     INTEGER NOT NULL CHECK (write IN (0, 1)),
    read      INTEGER NOT NULL CHECK (read IN (0, 1)),
    PRIMARY KEY (vhost, resource, name, login)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_login ON grants (login);

CREATE TABLE queue_keys (
    id          TEXT PRIMARY KEY,
    vhost       TEXT NOT NULL,
    queue       TEXT NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),  -- SHA-256
    write       INTEGER NOT NULL CHECK (write IN (0, 1)),
    read        INTEGER NOT NULL CHECK (read IN (0, 1)),
    note        TEXT NOT NULL,
    created_by  TEXT REFERENCES accounts ON DELETE SET NULL,
    created_ms  INTEGER NOT NULL CHECK (created_ms >= 0),
    expires_ms  INTEGER CHECK (expires_ms >= 0),
    FOREIGN KEY (vhost, queue) REFERENCES queues (vhost, name) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_keys_by_queue ON queue_keys (vhost, queue);
CREATE INDEX queue_keys_by_creator ON queue_keys (created_by);

CREATE TABLE quotas (
    login        TEXT PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    queues       INTEGER CHECK (queues >= 0),
    bytes        INTEGER CHECK (bytes >= 0),
    connections  INTEGER CHECK (connections >= 0),
    publish_rate INTEGER CHECK (publish_rate >= 0)  -- messages per second
) STRICT, WITHOUT ROWID;

CREATE TABLE webhooks (
    id         TEXT PRIMARY KEY,
    owner      TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    vhost      TEXT NOT NULL,
    queue      TEXT NOT NULL,
    url        TEXT NOT NULL,
    secret     TEXT NOT NULL,
    settings   TEXT NOT NULL,  -- JSON
    is_paused  INTEGER NOT NULL CHECK (is_paused IN (0, 1)),
    created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
    FOREIGN KEY (vhost, queue) REFERENCES queues (vhost, name) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX webhooks_by_queue ON webhooks (vhost, queue);
CREATE INDEX webhooks_by_owner ON webhooks (owner);

CREATE TABLE partitioned_queues (
    vhost      TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    name       TEXT NOT NULL,
    partitions INTEGER NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
    kind       TEXT NOT NULL CHECK (kind IN ('classic', 'quorum', 'stream')),
    arguments  BLOB NOT NULL,  -- encoded field table
    owner      TEXT REFERENCES accounts ON DELETE SET NULL,
    PRIMARY KEY (vhost, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX partitioned_queues_by_owner ON partitioned_queues (owner);

-- Refers to nothing: what was done stays written down when its subject is gone.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms       INTEGER NOT NULL CHECK (at_ms >= 0),
    actor       TEXT NOT NULL,
    door        TEXT NOT NULL,
    address     TEXT NOT NULL,
    action      TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    detail      TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at_ms);
CREATE INDEX audit_by_actor ON audit (actor, id);
