-- Who has a content: led to the peers that are live, and to what of theirs somebody may see, past everything else.
DROP INDEX files_by_root;
CREATE INDEX files_by_root ON files (root, peer, audience);
