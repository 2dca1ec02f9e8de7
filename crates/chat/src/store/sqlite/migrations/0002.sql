-- The words of messages are put into the index many messages at a time. Those up to this one (by its
-- id) are in it; the others are looked through.
ALTER TABLE server ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
UPDATE server SET indexed = coalesce((SELECT max(id) FROM message), 0);
