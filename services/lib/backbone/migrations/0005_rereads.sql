-- A lane of a recovered ledger reads again what it had forgotten, and takes the time of what it reads for the batch's clock
-- until it comes to records of this time: deadlines fire between the records where they did before.
ALTER TABLE lane ADD COLUMN reread_until_us bigint;
