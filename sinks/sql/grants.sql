-- The analysts' role: reads the tables and views, can't log in itself (GRANT onehertz_read TO alice).
-- Where the migrating user may not create roles this is left out, with a notice.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'onehertz_read') THEN
        BEGIN
            CREATE ROLE onehertz_read NOLOGIN;
        EXCEPTION
            -- Roles belong to the whole server: another database's migration may be as far.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'no role onehertz_read: this user may not create roles';
                RETURN;
        END;
    END IF;
    GRANT USAGE ON SCHEMA public TO onehertz_read;
    GRANT SELECT ON
        cameras, models, frames, detections, camera_minutes, alerts, alert_events, schema_migrations,
        detections_at_every_second, latest_detections, camera_minute_objects, gate_audit,
        challenger_frames, challenger_comparison, challenger_summary
    TO onehertz_read;
END
$$;
