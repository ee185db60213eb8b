-- Commands that a recovered ledger took over, and the moment of its lane at which each was given: reading again what it had forgotten,
-- the lane passes the same moments.
CREATE TABLE ahead (
    fact uuid PRIMARY KEY,
    processor text COLLATE "C" NOT NULL,
    lane integer NOT NULL,
    moment text NOT NULL
);
CREATE INDEX ahead_lane ON ahead (processor, lane);
COMMENT ON COLUMN ahead.moment IS 'as the header ce_moment of the command has it';
