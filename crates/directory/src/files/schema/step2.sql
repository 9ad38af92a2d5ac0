-- What the index of words in memory is built from: each term with the entries that have it.
CREATE VIRTUAL TABLE occurrences USING fts5vocab('words', 'instance');

-- The highest number of an entry that was ever given: no number means two entries, one after the other.
INSERT INTO counters (name, value) SELECT 'file', coalesce(max(id), 0) FROM files;
