-- What a person was told: the inbox. Numbers are the engine's own and never given twice (meta: next_notice).

CREATE TABLE notices (
    id     INTEGER PRIMARY KEY NOT NULL,
    at     REAL NOT NULL,
    kind   TEXT NOT NULL,                       -- failed, ended, intervened, alert, conflict, hint, engine
    level  TEXT NOT NULL,                       -- info, success, warning, error
    title  TEXT NOT NULL,
    text   TEXT NOT NULL,
    job    TEXT,                                -- as people write it: 7 or 7.3
    urgent INTEGER NOT NULL,
    offers TEXT NOT NULL                        -- JSON list, codec.encode_offers
);
CREATE INDEX notices_at ON notices (at);
