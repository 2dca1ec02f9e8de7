-- What the server knows of itself: one row.
CREATE TABLE server (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    origin          INTEGER NOT NULL,   -- of the msgids that are made here
    last_sequence   INTEGER NOT NULL,   -- of these, the last one, whether or not it is still kept
    last_unix_ms    INTEGER NOT NULL,
    bytes           INTEGER NOT NULL    -- the sum of the column of that name below
) STRICT;

-- Between 1 and 4294967295: 0 is nobody's.
INSERT INTO server VALUES (1, 1 + (random() & 0x7fffffffffffffff) % 0xffffffff, 0, 0, 0);

CREATE TABLE conversation (
    id              INTEGER PRIMARY KEY,
    key             TEXT NOT NULL UNIQUE,
    first           TEXT,               -- between two accounts: their folded names
    second          TEXT,
    messages        INTEGER NOT NULL DEFAULT 0,
    happenings      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX conversation_by_first ON conversation (first) WHERE first IS NOT NULL;
CREATE INDEX conversation_by_second ON conversation (second) WHERE second IS NOT NULL;

CREATE TABLE message (
    id              INTEGER PRIMARY KEY,
    origin          INTEGER NOT NULL,   -- this and the next: the msgid
    sequence        INTEGER NOT NULL,
    unix_ms         INTEGER NOT NULL,
    conversation    INTEGER REFERENCES conversation (id),
    bytes           INTEGER NOT NULL,
    kind            INTEGER NOT NULL,   -- 0 message, 1 notice, 2 tags
    is_private      INTEGER NOT NULL,
    target          TEXT NOT NULL,      -- a room, or a nick
    target_account  TEXT,
    nick            TEXT NOT NULL,
    user            TEXT NOT NULL,
    host            TEXT NOT NULL,
    account         TEXT,
    realname        TEXT NOT NULL,
    bot             INTEGER NOT NULL,
    tags            TEXT,               -- JSON: [["key","value"],...]
    text            TEXT NOT NULL,
    redacted_by     TEXT,
    redacted_why    TEXT,
    redacted_ms     INTEGER
) STRICT;
CREATE UNIQUE INDEX message_by_msgid ON message (origin, sequence);
CREATE INDEX message_by_time ON message (conversation, unix_ms, origin, sequence);

CREATE TABLE happening (
    id              INTEGER PRIMARY KEY,
    origin          INTEGER NOT NULL,
    sequence        INTEGER NOT NULL,
    unix_ms         INTEGER NOT NULL,
    conversation    INTEGER NOT NULL REFERENCES conversation (id),
    bytes           INTEGER NOT NULL,
    kind            INTEGER NOT NULL,   -- 0 joined, 1 parted, 2 quit, 3 kicked, 4 renamed, 5 topic, 6 modes
    room            TEXT NOT NULL,
    source          TEXT NOT NULL,
    account         TEXT,
    target          TEXT,               -- who was kicked
    text            TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX happening_by_msgid ON happening (origin, sequence);
CREATE INDEX happening_by_time ON happening (conversation, unix_ms, origin, sequence);

CREATE VIRTUAL TABLE message_text USING fts5 (
    text, content = 'message', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
-- What is taken out of the index is overwritten there.
INSERT INTO message_text (message_text, rank) VALUES ('secure-delete', 1);

CREATE TABLE room (
    key             TEXT PRIMARY KEY,   -- folded
    name            TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    topic           TEXT,
    topic_by        TEXT,
    topic_ms        INTEGER,
    flags           TEXT NOT NULL,      -- the letters of IRC
    password        TEXT,
    member_limit    INTEGER
) STRICT, WITHOUT ROWID;

-- The ids of this and of bans keep the order in which they were set.
CREATE TABLE mask (
    id              INTEGER PRIMARY KEY,
    room            TEXT NOT NULL,
    list            TEXT NOT NULL,      -- ban, exemption, invitation, mute
    mask            TEXT NOT NULL COLLATE NOCASE,
    set_by          TEXT NOT NULL,
    set_ms          INTEGER NOT NULL,
    UNIQUE (room, list, mask)
) STRICT;

CREATE TABLE role (
    room            TEXT NOT NULL,
    account         TEXT NOT NULL,
    role            TEXT NOT NULL,      -- voice, operator, owner
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    key             TEXT PRIMARY KEY,   -- folded
    name            TEXT NOT NULL,
    verifier        TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    certificates    TEXT NOT NULL,      -- JSON: ["fingerprint",...]
    suspended       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE read_mark (
    account         TEXT NOT NULL,
    target          TEXT NOT NULL,
    unix_ms         INTEGER NOT NULL,
    PRIMARY KEY (account, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE ban (
    id              INTEGER PRIMARY KEY,
    mask            TEXT NOT NULL UNIQUE COLLATE NOCASE,
    reason          TEXT NOT NULL,
    set_by          TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    until_ms        INTEGER
) STRICT;

CREATE TABLE invitation (
    code            TEXT PRIMARY KEY,
    used_by         TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id              INTEGER PRIMARY KEY,
    unix_ms         INTEGER NOT NULL,
    admin           TEXT NOT NULL,
    action          TEXT NOT NULL,
    UNIQUE (unix_ms, admin, action)
) STRICT;
