-- The alerts whose row in `alerts` is not what `alert_events` adds up to: what it adds up to (NULL:
-- nothing), then what the row says (NULL: there is none).
WITH changes AS (
    -- The latest has rank 1.
    SELECT *, row_number() OVER (PARTITION BY alert ORDER BY at DESC, change DESC) AS rank
    FROM alert_events
), shown AS (
    SELECT DISTINCT ON (alert) alert, evidence_at, evidence_partition, evidence_raw_offset
    FROM changes
    WHERE evidence_at IS NOT NULL
    ORDER BY alert, rank
), summed AS (
    SELECT
        alert,
        min(at) FILTER (WHERE change = 'raised') AS raised_at,
        max(ended_at) AS ended_at,
        bool_or(late) AS late,
        count(*) AS changes
    FROM changes
    GROUP BY alert
), expected AS (
    SELECT
        c.alert, c.camera, c.rule, c.severity, c.change AS state, c.began_at, s.raised_at,
        c.at AS updated_at, s.ended_at, shown.evidence_at, shown.evidence_partition,
        shown.evidence_raw_offset, c.text, s.late, s.changes
    FROM changes AS c
    JOIN summed AS s USING (alert)
    LEFT JOIN shown USING (alert)
    WHERE c.rank = 1
)
SELECT coalesce(e.alert, a.alert), to_jsonb(e), to_jsonb(a)
FROM expected AS e
FULL JOIN alerts AS a ON a.alert = e.alert
WHERE to_jsonb(e) IS DISTINCT FROM to_jsonb(a)
ORDER BY 1
