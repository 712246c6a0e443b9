-- Conflicts and hints, open and ended. Numbers are the engine's own, never given twice (meta: next_conflict, next_hint).

CREATE TABLE conflicts (
    id         INTEGER PRIMARY KEY NOT NULL,
    key        TEXT NOT NULL,                   -- the same as long as it is the same conflict
    at         REAL NOT NULL,
    closed_at  REAL,                            -- NULL while it is open
    unwanted   INTEGER NOT NULL,                -- 1: its reader does not want it again
    view       TEXT NOT NULL,                   -- JSON, codec.encode_conflict
    settlement TEXT                             -- JSON, codec.encode_settlement; NULL: nothing is being done about it
);
CREATE INDEX conflicts_open ON conflicts (id) WHERE closed_at IS NULL;
CREATE INDEX conflicts_closed ON conflicts (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE hints (
    id        INTEGER PRIMARY KEY NOT NULL,
    key       TEXT NOT NULL,
    at        REAL NOT NULL,
    closed_at REAL,
    unwanted  INTEGER NOT NULL,
    view      TEXT NOT NULL                     -- JSON, codec.encode_hint
);
CREATE INDEX hints_open ON hints (id) WHERE closed_at IS NULL;
CREATE INDEX hints_closed ON hints (closed_at) WHERE closed_at IS NOT NULL;
