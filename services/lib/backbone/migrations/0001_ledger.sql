-- The ledger of one service. Times are microseconds since 1970-01-01T00:00:00Z, by the database's clock.
-- Texts that are compared or ordered are so by their bytes (collation "C"), as the core orders them.
-- Tables of states (state_<processor>) and of report rows are made from the code's declarations, not here.

CREATE FUNCTION now_us() RETURNS bigint LANGUAGE sql VOLATILE
    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

CREATE FUNCTION at(us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT timestamptz ''epoch'' + us * interval ''1 microsecond''';
COMMENT ON FUNCTION at(bigint) IS 'a time of the ledger as people read it';

-- Who owns a lane, under which epoch, and how far the lane has come. Updated with every batch: room on the page keeps
-- those updates off the index.
CREATE TABLE lane (
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    owner uuid,
    epoch bigint NOT NULL DEFAULT 0,
    seq bigint NOT NULL DEFAULT 0,
    lease_until_us bigint NOT NULL DEFAULT 0,
    clock_us bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    trial_topic text COLLATE "C",
    trial_offset bigint,
    PRIMARY KEY (processor, lane)
) WITH (fillfactor = 20);
COMMENT ON COLUMN lane.seq IS 'the journal sequence of the last committed transaction';
COMMENT ON COLUMN lane.attempts IS 'how often the lane was taken since its last commit: the crash counter';
COMMENT ON COLUMN lane.trial_offset IS 'the record that is being tried alone, after crashes';

-- The next offset to read, committed with what the records before it came to.
CREATE TABLE position (
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    topic text COLLATE "C" NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (processor, lane, topic)
) WITH (fillfactor = 20);

-- Instances that say they are alive.
CREATE TABLE instance (
    processor text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    alive_until_us bigint NOT NULL,
    PRIMARY KEY (processor, id)
) WITH (fillfactor = 50);

-- One deadline per key.
CREATE TABLE deadline (
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    PRIMARY KEY (processor, lane, key)
);
CREATE INDEX deadline_due ON deadline (processor, lane, at_us, key);

-- Identities of facts that have no version (raw messages): a second one is dropped.
CREATE TABLE seen (
    processor text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    PRIMARY KEY (processor, name, id)
);

-- Inputs that wait for a person, in park order. Later inputs of `chain` park behind it. Holds what was received, byte
-- for byte; headers as (name length, name, value length, value)*, lengths as 4 bytes big-endian.
CREATE TABLE parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    chain text COLLATE "C",
    kind text NOT NULL CHECK (kind IN ('record', 'deadline')),
    topic text COLLATE "C",
    partition integer,
    record_offset bigint,
    record_timestamp_us bigint,
    key bytea,
    value bytea,
    headers bytea,
    deadline_key text COLLATE "C",
    deadline_at_us bigint,
    reason text NOT NULL,
    detail text NOT NULL,
    parked_at_us bigint NOT NULL,
    CHECK ((kind = 'record') = (topic IS NOT NULL AND partition IS NOT NULL AND record_offset IS NOT NULL
        AND record_timestamp_us IS NOT NULL AND headers IS NOT NULL)),
    CHECK ((kind = 'deadline') = (deadline_key IS NOT NULL AND deadline_at_us IS NOT NULL))
);
CREATE INDEX parked_chain ON parked (processor, chain, id) WHERE chain IS NOT NULL;

-- The latest revision of every fact stated. `wire` is kept to be able to withdraw it.
CREATE TABLE emitted (
    fact uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    version bigint NOT NULL,
    content bytea NOT NULL CHECK (length(content) = 16),
    withdrawn boolean NOT NULL,
    wire bytea NOT NULL
);

-- The last version given, per topic and key; locked from drawing to commit.
CREATE TABLE counter (
    topic text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (topic, key)
) WITH (fillfactor = 70);

-- What the relay has to publish. A sequence without a cache: within a key, sequence order is version order.
CREATE SEQUENCE outbox_seq AS bigint CACHE 1;
CREATE TABLE outbox (
    seq bigint PRIMARY KEY DEFAULT nextval('outbox_seq'),
    shard integer NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    key bytea NOT NULL,
    value bytea,
    headers bytea NOT NULL,
    at_us bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
ALTER SEQUENCE outbox_seq OWNED BY outbox.seq;
CREATE INDEX outbox_shard ON outbox (shard, seq);

-- Who relays which shard of the outbox (partition modulo the number of shards).
CREATE TABLE shard (
    shard integer PRIMARY KEY,
    owner uuid,
    epoch bigint NOT NULL DEFAULT 0,
    lease_until_us bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- What a lane folded, batch by batch: a rebuild follows it.
CREATE TABLE journal (
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    seq bigint NOT NULL,
    clock_us bigint NOT NULL,
    entry json NOT NULL,
    PRIMARY KEY (processor, lane, seq)
);

-- What became of each command, consulted before the world is.
CREATE TABLE effect (
    processor text COLLATE "C" NOT NULL,
    command uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    ended text NOT NULL CHECK (ended IN ('applied', 'parked')),
    their_id text,
    at_us bigint NOT NULL,
    PRIMARY KEY (processor, command)
);
