-- What a sidecar knows between two runs. Times are milliseconds since 1970.

CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The highest claim seen of each shard.
CREATE TABLE IF NOT EXISTS claims (shard INTEGER PRIMARY KEY, number INTEGER NOT NULL);

-- What the broker has accepted: a repeat of it is never taken back.
CREATE TABLE IF NOT EXISTS accepted (
    message_id TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL,
    digest BLOB NOT NULL,
    referral_id BLOB NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS accepted_at ON accepted (at);

-- Attempts whose sender was told no.
CREATE TABLE IF NOT EXISTS struck (
    message_id TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS struck_at ON struck (at);

-- Those of them that the broker has not answered for.
CREATE TABLE IF NOT EXISTS withdrawals (
    message_id TEXT PRIMARY KEY,
    up_to INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- Acknowledged to the local system on the spool's strength.
CREATE TABLE IF NOT EXISTS promised (
    message_id TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- Acknowledged, on the spool's strength or the broker's, and then refused.
CREATE TABLE IF NOT EXISTS refused_later (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    envelope BLOB NOT NULL,
    payload BLOB NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    spooled_at INTEGER NOT NULL,
    refused_at INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
);

-- Those of them that the broker had accepted and gave notice of. `refusal` is their number there.
CREATE TABLE IF NOT EXISTS notices (
    referral_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    refusal INTEGER NOT NULL,
    state TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (referral_id, version)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notices_refusal ON notices (refusal);

-- What was handed to us. `answer` is the final outcome; the bytes go when there is one.
CREATE TABLE IF NOT EXISTS inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    referral_id BLOB NOT NULL UNIQUE,
    offer INTEGER NOT NULL,
    header BLOB NOT NULL,
    digest BLOB NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    answer BLOB,
    set_aside_at INTEGER,
    settled INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS inbox_open ON inbox (settled) WHERE settled < 2;
CREATE INDEX IF NOT EXISTS inbox_set_aside ON inbox (set_aside_at) WHERE set_aside_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS inbox_at ON inbox (at);
CREATE TABLE IF NOT EXISTS payloads (referral_id BLOB PRIMARY KEY, bytes BLOB NOT NULL);

CREATE TABLE IF NOT EXISTS notes (
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (namespace, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notes_at ON notes (at);
