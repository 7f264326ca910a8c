-- The history of the database's own layout.

-- [lock] Waits until no other migration of this database runs; held until the connection closes.
SELECT pg_advisory_lock(hashtext('onehertz.migrate'));

-- [make_history] Makes the table that records what was applied.
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_migrations IS 'Which .sql files made this database; kept by onehertz db migrate.';
COMMENT ON COLUMN schema_migrations.name IS 'The file.';
COMMENT ON COLUMN schema_migrations.sha256 IS 'Its content when it was applied.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When it was last applied.';

-- [has_history] Whether that table is there.
SELECT to_regclass('schema_migrations') IS NOT NULL;

-- [history] What was applied.
SELECT name, sha256 FROM schema_migrations;

-- [record] Records a file as applied.
INSERT INTO schema_migrations (name, sha256) VALUES (%(name)s, %(sha256)s)
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now();
