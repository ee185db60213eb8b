-- Master data kept beside the folds: every value that a table's topic ever had, in one order over all tables of the
-- service. A writer holds the row of table_head to its commit, so a lower place never becomes visible later.
CREATE TABLE table_row (
    seq bigint PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    wire bytea,
    at_us bigint NOT NULL
);
COMMENT ON COLUMN table_row.wire IS 'the value as it was published; null is a tombstone';
CREATE INDEX table_row_key ON table_row (topic, key, seq);

CREATE TABLE table_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO table_head (seq) VALUES (0);

-- Partitions of tables' topics that were read to their end once: folds do not start before.
CREATE TABLE table_complete (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- What a parked input waits for, and as of which place of the tables it was not there.
ALTER TABLE parked
    ADD COLUMN waits_topic text COLLATE "C",
    ADD COLUMN waits_key text COLLATE "C",
    ADD COLUMN waits_after bigint,
    ADD COLUMN homonyms integer NOT NULL DEFAULT 0,
    ADD CHECK ((waits_topic IS NULL) = (waits_key IS NULL) AND (waits_topic IS NULL) = (waits_after IS NULL));
CREATE INDEX parked_waits ON parked (processor, lane, id) WHERE waits_topic IS NOT NULL;
