-- What a person who uses `vertebra` may do in the database of the ledgers, and no more: read, ask the lanes' owners for something, and
-- end what only a person ends. Facts, states, parked inputs and what people did are nobody's to change by it.
--
-- Run by the role that the services use, which owns the ledgers; once after a service has made its ledger, and again after each upgrade:
--   psql "$VERTEBRA_POSTGRES_URL" -f deploy/postgres/operator.sql
-- The role has to be there, and is given to people: CREATE ROLE vertebra_operator NOLOGIN; GRANT vertebra_operator TO jo;
-- Another role: SET vertebra.operator = 'role'; before it. One ledger only: SET vertebra.ledger = 'billing_projector'; it is run again
-- then after each `vertebra replay run`, whose ledger lies beside it.
--
-- Not enough for `vertebra recover` and `vertebra topic restate`, which write what services publish: they are typed as the services' role.
DO $$
DECLARE
    operator text := coalesce(nullif(current_setting('vertebra.operator', true), ''), 'vertebra_operator');
    only_one text := nullif(current_setting('vertebra.ledger', true), '');
    ledger text;
BEGIN
    IF only_one IS NULL THEN
        -- Ledgers, and rebuilds beside them, that are made later.
        EXECUTE format('ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO %I', operator);
        EXECUTE format('ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO %I', operator);
    END IF;
    FOR ledger IN
        SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = 'audit_head' AND c.relkind = 'r'
            AND (only_one IS NULL OR n.nspname = only_one OR n.nspname ~ ('^' || only_one || '_replay_[0-9]+$'))
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', ledger, operator);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', ledger, operator);
        -- Wishes, and a rebuild: their owners carry them out. What has ended is sealed by the ledger's owner, and stays.
        EXECUTE format('GRANT INSERT (processor, lane, body, asked_by, because, ended_at_us, result) ON %I.intent TO %I', ledger, operator);
        EXECUTE format('GRANT INSERT (processor, tables_at, records_per_second, asked_by, because) ON %I.replay TO %I', ledger, operator);
        -- replay retire
        EXECUTE format('GRANT UPDATE (retired_at_us) ON %I.replay TO %I', ledger, operator);
        -- lanes resume; topic reread, which moves a position under a new epoch
        EXECUTE format('GRANT UPDATE (stopped_why, stopped_at_us, owner, epoch, attempts, trial_topic, trial_offset) ON %I.lane TO %I',
            ledger, operator);
        EXECUTE format('GRANT UPDATE (next) ON %I.position TO %I', ledger, operator);
        -- source approve
        EXECUTE format('GRANT UPDATE (approved) ON %I.source_hold TO %I', ledger, operator);
    END LOOP;
END
$$;
