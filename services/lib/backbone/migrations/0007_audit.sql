-- What people did by hand, sealed: an intent that has ended holds a hash over itself and the hash of the one before it, and is never
-- changed or deleted afterwards. ops.audit.v1 says the same.
ALTER TABLE intent ADD COLUMN audit_seq bigint UNIQUE, ADD COLUMN audit_hash bytea;
COMMENT ON COLUMN intent.audit_hash IS 'SHA-256 of the hash before it and of audit_text(schema, actor, action, subject, reason, time in microseconds)';

-- Locked to the end of the transaction that seals: one comes after another.
CREATE TABLE audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 20);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- Fields with their lengths, so that none can be moved into its neighbour.
CREATE FUNCTION audit_text(VARIADIC fields text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT string_agg(octet_length(field)::text || '':'' || field, '','' ORDER BY place)
     FROM unnest(fields) WITH ORDINALITY AS f(field, place)';

-- What it was done to; of what was asked and of what came of it a hash each: an edit holds a patient's data.
CREATE FUNCTION audit_subject(of_intent intent) RETURNS text LANGUAGE sql IMMUTABLE AS
    'SELECT of_intent.processor || ''/'' || of_intent.lane || '' intent '' || of_intent.id
        || '' asked '' || encode(sha256(convert_to(of_intent.body::text, ''UTF8'')), ''hex'')
        || '' came '' || encode(sha256(convert_to(of_intent.result::text, ''UTF8'')), ''hex'')';

-- Whatever path whoever writes has set, this is about this schema's head.
CREATE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    head audit_head;
BEGIN
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.ended_at_us IS NOT NULL) THEN
        RAISE EXCEPTION 'intent % has ended and is kept as it is', OLD.id;
    END IF;
    IF NEW.ended_at_us IS NOT NULL THEN
        UPDATE audit_head SET seq = seq + 1 RETURNING * INTO head;
        NEW.audit_seq := head.seq;
        NEW.audit_hash := sha256(head.hash || convert_to(audit_text(TG_TABLE_SCHEMA, NEW.asked_by, NEW.body ->> 'do',
            audit_subject(NEW), NEW.because, NEW.ended_at_us::text), 'UTF8'));
        UPDATE audit_head SET hash = NEW.audit_hash;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_seal BEFORE INSERT OR UPDATE OR DELETE ON intent FOR EACH ROW EXECUTE FUNCTION audit_seal();
