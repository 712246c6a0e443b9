-- The first format. Text that is no valid Unicode (names and paths are bytes) is kept as a blob, see codec.storable.

CREATE TABLE jobs (
    id           TEXT PRIMARY KEY NOT NULL,     -- as people write it: 7 or 7.3
    number       INTEGER NOT NULL,
    element      INTEGER,                       -- the index in an array; NULL for a plain job
    spec         TEXT NOT NULL,                 -- JSON, codec.encode_spec
    status       TEXT NOT NULL,                 -- queued, held, starting, running, paused, stopping, finished
    state        TEXT NOT NULL,                 -- JSON, the data of that status
    submitted_at REAL NOT NULL,
    finished_at  REAL,
    outcome      TEXT,
    sequence     INTEGER NOT NULL,
    rank         INTEGER NOT NULL,
    bypassed     INTEGER NOT NULL
);
CREATE INDEX jobs_number ON jobs (number);
CREATE INDEX jobs_open ON jobs (sequence) WHERE finished_at IS NULL;
CREATE INDEX jobs_finished ON jobs (finished_at, sequence) WHERE finished_at IS NOT NULL;

CREATE TABLE attempts (
    job               TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    token             TEXT NOT NULL UNIQUE,
    intended_at       REAL NOT NULL,
    started_at        REAL,
    identity          TEXT,
    ended_at          REAL,
    exit_code         INTEGER,
    signal            INTEGER,
    outcome           TEXT,
    why               TEXT,
    cpu_s             REAL,
    peak_memory_bytes INTEGER,
    paused_s          REAL NOT NULL,
    reserved_bytes    INTEGER,
    devices           TEXT NOT NULL,            -- JSON list of card numbers
    waited_for        TEXT,
    UNIQUE (job, attempt)
);

CREATE TABLE profiles (
    key  TEXT PRIMARY KEY NOT NULL,
    runs TEXT NOT NULL                          -- JSON, codec.encode_profile
) WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The audit trail. Equal consecutive ticks are one row: first seen, last seen, how often.
CREATE TABLE journal (
    id         INTEGER PRIMARY KEY,
    at         REAL NOT NULL,
    last_at    REAL NOT NULL,
    repeats    INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    sentence   TEXT NOT NULL,
    job        TEXT,
    mode       TEXT,
    memory_pct REAL,
    cpu_pct    REAL,
    counts     TEXT NOT NULL,                   -- JSON list of pairs
    details    TEXT NOT NULL                    -- JSON list of pairs
);
CREATE INDEX journal_last_at ON journal (last_at);
CREATE INDEX journal_job ON journal (job) WHERE job IS NOT NULL;

CREATE TABLE samples (
    at     REAL PRIMARY KEY NOT NULL,
    sample TEXT NOT NULL                        -- JSON, codec.encode_sample
) WITHOUT ROWID;

CREATE TABLE samples_minute (
    minute  INTEGER PRIMARY KEY NOT NULL,       -- Unix seconds at which the minute begins
    samples INTEGER NOT NULL,
    mean    TEXT NOT NULL,                      -- JSON, with cpu_max_pct and memory_max_bytes
    maximum TEXT NOT NULL                       -- JSON, the largest of every figure
);
