-- Step 3: how far groups have read streams. Partitioned queues need no table: they are queues, by their arguments.

DROP TABLE partitioned_queues;

CREATE TABLE stream_groups (
    queue       INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    next_offset INTEGER NOT NULL CHECK (next_offset >= 0),  -- the first one that is not done
    PRIMARY KEY (queue, name)
) STRICT, WITHOUT ROWID;
