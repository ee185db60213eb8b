-- A lane that its breaker has stopped: too much of what it read was rejected. It stays stopped until a person resumes it.
ALTER TABLE lane
    ADD COLUMN stopped_why text,
    ADD COLUMN stopped_at_us bigint,
    ADD CHECK ((stopped_why IS NULL) = (stopped_at_us IS NULL));

-- What a person wants done in a lane. The lane's owner carries it out in the lane's order, and says what came of it.
CREATE TABLE intent (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    body json NOT NULL,
    asked_by text NOT NULL,
    because text NOT NULL,
    asked_at_us bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    ended_at_us bigint,
    result json,
    CHECK ((ended_at_us IS NULL) = (result IS NULL))
);
CREATE INDEX intent_open ON intent (processor, lane, id) WHERE ended_at_us IS NULL;

-- The record that last stated a fact, so that what it no longer states when it is folded again can be withdrawn.
ALTER TABLE emitted
    ADD COLUMN origin_processor text COLLATE "C",
    ADD COLUMN origin_topic text COLLATE "C",
    ADD COLUMN origin_partition integer,
    ADD COLUMN origin_offset bigint;
CREATE INDEX emitted_origin ON emitted (origin_processor, origin_topic, origin_partition, origin_offset)
    WHERE NOT withdrawn;
