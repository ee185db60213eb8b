-- What sources keep. All of it is read and written in the transaction that holds the source's lane (table lane, number 0).

-- Where the next page begins.
CREATE TABLE source_cursor (
    source text COLLATE "C" PRIMARY KEY,
    cursor json NOT NULL
) WITH (fillfactor = 50);

-- Rows of the world that are known to be there. Seeing one again changes no index.
CREATE TABLE source_row (
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    seen_seq bigint NOT NULL,
    refused_reason text,
    refused_detail text,
    PRIMARY KEY (source, kind, id),
    CHECK ((refused_reason IS NULL) = (refused_detail IS NULL))
) WITH (fillfactor = 70);
COMMENT ON COLUMN source_row.seen_seq IS 'the lane''s sequence when the row was in a page last';
COMMENT ON COLUMN source_row.refused_reason IS 'why the row could not be stated; what it stated before stays';

-- Which row states a fact: the one that stated it last.
CREATE TABLE source_fact (
    source text COLLATE "C" NOT NULL,
    fact uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (source, fact)
);
CREATE INDEX source_fact_row ON source_fact (source, kind, id);

-- Sweeps that found too much gone to withdraw it unasked. A person who has looked approves up to a number of rows, once:
-- UPDATE source_hold SET approved = <rows> WHERE source = '<source>' AND kind = '<kind>'
CREATE TABLE source_hold (
    source text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    gone bigint NOT NULL,
    known bigint NOT NULL,
    asked_at_us bigint NOT NULL,
    approved bigint,
    PRIMARY KEY (source, kind)
);
