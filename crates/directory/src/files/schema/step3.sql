-- Whether a peer speaks the sealed line alone, as browsers do.
ALTER TABLE peers ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0 CHECK (sealed IN (0, 1));
