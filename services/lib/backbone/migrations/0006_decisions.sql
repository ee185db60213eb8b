-- What people decided of parked records, with the bytes: the value that a record got (an edit), or none (it was given up).
-- Folding again reads it, so that what was decided once stays decided.
CREATE TABLE decision (
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    topic text COLLATE "C" NOT NULL,
    record_offset bigint NOT NULL,
    was bytea,
    value bytea,
    intent bigint NOT NULL REFERENCES intent (id),
    at_us bigint NOT NULL,
    PRIMARY KEY (processor, lane, topic, record_offset)
);
COMMENT ON COLUMN decision.was IS 'the value as it came from the topic';
COMMENT ON COLUMN decision.value IS 'the value that a person put in its place; null: the record was given up';

-- A command that a person gave up is neither applied nor parked.
ALTER TABLE effect DROP CONSTRAINT effect_ended_check,
    ADD CONSTRAINT effect_ended_check CHECK (ended IN ('applied', 'discarded', 'parked'));

-- How often an owner of the lane began it and did not come to its end: one over which the process dies is given up.
ALTER TABLE intent ADD COLUMN tries integer NOT NULL DEFAULT 0;
