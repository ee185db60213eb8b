-- Whoever may ask for something need not have the right to write the chain's head: the seal is its owner's. Temporary tables are looked
-- at last, and not first as where no path names them: nobody's own audit_head stands in for the chain's.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_seal() SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;
REVOKE EXECUTE ON FUNCTION audit_seal() FROM PUBLIC;
