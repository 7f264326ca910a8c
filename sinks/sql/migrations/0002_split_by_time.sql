-- Splits `frames` and `detections` by capture time, in pieces of seven days that begin on Mondays.
--
-- With TimescaleDB they become hypertables, which make their pieces by themselves. Without it they
-- are partitioned natively, and the writer calls make_partitions() before it writes. There is no
-- default partition on purpose: a row in it would block the making of the partition it belongs to.

DO $$
DECLARE
    timescale boolean := EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb');
    name text;
BEGIN
    IF NOT timescale
        AND EXISTS (SELECT FROM pg_available_extensions AS e WHERE e.name = 'timescaledb')
        -- Creating it where it is not preloaded ends the session.
        AND EXISTS (
            SELECT FROM pg_settings AS s
            WHERE s.name = 'shared_preload_libraries' AND s.setting LIKE '%timescaledb%')
    THEN
        CREATE EXTENSION timescaledb;
        timescale := true;
    END IF;
    FOREACH name IN ARRAY ARRAY['frames', 'detections'] LOOP
        IF timescale THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, name || '_layout');
            EXECUTE format(
                'SELECT create_hypertable(%L, by_range(%L, INTERVAL ''7 days''))', name, 'captured_at');
        ELSE
            EXECUTE format(
                'CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (captured_at)',
                name, name || '_layout');
        END IF;
        EXECUTE format('DROP TABLE %I', name || '_layout');
    END LOOP;
END
$$;

COMMENT ON TABLE frames IS 'One row per tick of a camera (about one a second), whatever became of it.';
COMMENT ON TABLE detections IS 'One row per box that a model found on an inferred frame.';

CREATE FUNCTION make_partitions(weeks date[]) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    week date;
    parent text;
    child text;
BEGIN
    -- One at a time: attaching locks the parent against other DDL, and two makers could deadlock.
    PERFORM pg_advisory_xact_lock(hashtext('onehertz.make_partitions'));
    FOREACH parent IN ARRAY ARRAY['frames', 'detections'] LOOP
        CONTINUE WHEN NOT EXISTS (
            SELECT FROM pg_class WHERE oid = parent::regclass AND relkind = 'p');
        FOREACH week IN ARRAY weeks LOOP
            child := parent || '_' || to_char(week, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(child) IS NOT NULL;
            -- Made aside, then attached: CREATE … PARTITION OF would lock out readers and writers.
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                parent, child,
                week::timestamp AT TIME ZONE 'UTC', (week + 7)::timestamp AT TIME ZONE 'UTC');
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION make_partitions(date[]) IS 'Makes the partitions of frames and detections for the weeks that begin on these Mondays (UTC), where they are not there yet. Does nothing on hypertables.';
