-- Rebuilds beside the live projections that people asked for. Each has a ledger in a schema of its own, <this schema>_replay_<id>;
-- the service makes it, follows the journal into it, and drops it when the rebuild is retired.
CREATE TABLE replay (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    processor text COLLATE "C" NOT NULL,
    tables_at bigint,
    records_per_second integer CHECK (records_per_second > 0),
    asked_by text NOT NULL,
    because text NOT NULL,
    asked_at_us bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    code text,
    trouble text,
    retired_at_us bigint,
    dropped_at_us bigint
);
-- One of a projection at a time: what is cut over is always the live one or its one rebuild.
CREATE UNIQUE INDEX replay_one ON replay (processor) WHERE retired_at_us IS NULL;
COMMENT ON COLUMN replay.tables_at IS 'the place in table_row as of which everything before it is looked up; null: as it was looked up then';
COMMENT ON COLUMN replay.code IS 'the code and the configuration that rebuild, as the journal has them of what was live';
