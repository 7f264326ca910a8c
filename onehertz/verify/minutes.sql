-- The minutes whose row in `camera_minutes` is not what `frames` and `detections` add up to: what
-- they add up to (NULL: nothing), then what the row says (NULL: there is none).
WITH ticks AS (
    SELECT *, date_trunc('minute', captured_at, 'UTC') AS minute FROM frames
), counted AS (
    SELECT
        camera,
        minute,
        count(*) FILTER (WHERE status = 'inferred') AS inferred,
        count(*) FILTER (WHERE status = 'unchanged') AS unchanged,
        count(*) FILTER (WHERE status = 'rejected') AS rejected,
        count(*) FILTER (WHERE status = 'missing') AS missing,
        max(latency_ms) AS worst_latency_ms
    FROM ticks
    GROUP BY camera, minute
), labelled AS (
    SELECT t.camera, t.minute, d.label, count(*) AS n
    FROM ticks AS t
    JOIN detections AS d USING (camera, captured_at, model)
    GROUP BY t.camera, t.minute, d.label
), objects AS (
    SELECT camera, minute, jsonb_object_agg(label, n) AS objects
    FROM labelled
    GROUP BY camera, minute
), moments AS ( -- a minute's two ends, and when something was seen in it
    SELECT camera, minute, minute AS at FROM counted
    UNION ALL
    SELECT camera, minute, minute + INTERVAL '1 minute' FROM counted
    UNION ALL
    SELECT camera, minute, captured_at FROM ticks WHERE status IN ('inferred', 'unchanged')
), steps AS (
    SELECT camera, minute, at - lag(at) OVER (PARTITION BY camera, minute ORDER BY at) AS step
    FROM moments
), gaps AS (
    SELECT camera, minute, floor(extract(epoch FROM max(step)) * 1000)::bigint AS longest_gap_ms
    FROM steps
    GROUP BY camera, minute
), expected AS (
    SELECT
        camera, minute, inferred, unchanged, rejected, missing,
        coalesce(objects, '{}') AS objects, longest_gap_ms, worst_latency_ms
    FROM counted
    JOIN gaps USING (camera, minute)
    LEFT JOIN objects USING (camera, minute)
)
SELECT
    coalesce(e.camera, m.camera),
    coalesce(e.minute, m.minute) AT TIME ZONE 'UTC',
    to_jsonb(e) - 'camera' - 'minute',
    to_jsonb(m) - 'camera' - 'minute'
FROM expected AS e
FULL JOIN camera_minutes AS m ON m.camera = e.camera AND m.minute = e.minute
WHERE to_jsonb(e) IS DISTINCT FROM to_jsonb(m)
ORDER BY 1, 2
