-- What one batch of frames does to the database, in the order of a transaction.

-- [make_partitions] Makes the partitions of the weeks that the batch touches (a transaction of its own).
SELECT make_partitions(%(weeks)s::date[]);

-- [lock_cameras] Registers the batch's cameras; until the transaction ends no other writer touches their frames.
INSERT INTO cameras AS c (camera, first_captured_at, last_captured_at)
SELECT b.camera, b.first_captured_at, b.last_captured_at
FROM unnest(%(cameras)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
    AS b (camera, first_captured_at, last_captured_at)
ORDER BY b.camera -- the same order in every writer: no deadlock
ON CONFLICT (camera) DO UPDATE SET
    first_captured_at = least(c.first_captured_at, excluded.first_captured_at),
    last_captured_at = greatest(c.last_captured_at, excluded.last_captured_at)
-- Rows that fail this are locked all the same, without being rewritten.
WHERE c.last_captured_at IS NULL
    OR c.first_captured_at > excluded.first_captured_at
    OR c.last_captured_at < excluded.last_captured_at;

-- [held_frames] Which of the batch's ticks have a row already: number in the batch (from 1), and what ranks it.
SELECT k.n, f.status::text, f.detections_offset, f.partition, f.model
FROM unnest(%(cameras)s::text[], %(times)s::timestamptz[])
    WITH ORDINALITY AS k (camera, captured_at, n)
JOIN frames AS f ON f.camera = k.camera AND f.captured_at = k.captured_at
-- Implied by the join; keeps the planner out of the other partitions.
WHERE f.captured_at BETWEEN %(first)s AND %(last)s;

-- [remove_frames] Removes the rows that lose to the batch.
DELETE FROM frames AS f
USING unnest(%(cameras)s::text[], %(times)s::timestamptz[]) AS k (camera, captured_at)
WHERE f.camera = k.camera AND f.captured_at = k.captured_at
    AND f.captured_at BETWEEN %(first)s AND %(last)s;

-- [remove_detections] Removes their boxes (of the model that had the row, no other) and says which they were.
DELETE FROM detections AS d
USING unnest(%(cameras)s::text[], %(times)s::timestamptz[], %(models)s::text[])
    WITH ORDINALITY AS k (camera, captured_at, model, n)
WHERE d.camera = k.camera AND d.captured_at = k.captured_at AND d.model = k.model
    AND d.captured_at BETWEEN %(first)s AND %(last)s
RETURNING k.n, d.label;

-- [add_models] Registers models that were not seen before.
INSERT INTO models (model)
SELECT m FROM unnest(%(models)s::text[]) AS m ORDER BY m
ON CONFLICT DO NOTHING;

-- [copy_frames] Adds rows; rows.FRAME_TYPES has the types.
COPY frames (
    camera, captured_at, status, model, because, score, same_as, reason, detail, run, seq, width,
    height, partition, detections_offset, gated_offset, raw_offset, entered_at, latency_ms, stage_ms
) FROM STDIN (FORMAT binary);

-- [copy_detections] Adds boxes; rows.DETECTION_TYPES has the types.
COPY detections (camera, captured_at, model, n, label, score, x1, y1, x2, y2)
FROM STDIN (FORMAT binary);

-- [change_minutes] Adds the batch's difference to its minutes; gap and latency, which are no sums, are taken from the rows.
WITH change AS (
    SELECT *
    FROM unnest(
        %(cameras)s::text[], %(minutes)s::timestamptz[], %(inferred)s::integer[],
        %(unchanged)s::integer[], %(rejected)s::integer[], %(missing)s::integer[],
        %(objects)s::text[]
    ) AS u (camera, minute, inferred, unchanged, rejected, missing, objects)
), ticks AS (
    SELECT
        c.camera,
        c.minute,
        f.captured_at,
        f.latency_ms,
        f.status IN ('inferred', 'unchanged') AS seen,
        lag(f.captured_at, 1, c.minute) OVER (
            PARTITION BY c.camera, c.minute, f.status IN ('inferred', 'unchanged')
            ORDER BY f.captured_at
        ) AS before
    FROM change AS c
    JOIN frames AS f
        ON f.camera = c.camera
        AND f.captured_at >= c.minute AND f.captured_at < c.minute + INTERVAL '1 minute'
    WHERE f.captured_at >= %(first)s AND f.captured_at < %(end)s
), measured AS (
    SELECT
        camera,
        minute,
        max(latency_ms) AS worst_latency_ms,
        coalesce(
            greatest(
                max(captured_at - before) FILTER (WHERE seen),
                minute + INTERVAL '1 minute' - max(captured_at) FILTER (WHERE seen)
            ),
            INTERVAL '1 minute'
        ) AS longest_gap
    FROM ticks
    GROUP BY camera, minute
)
INSERT INTO camera_minutes AS m (
    camera, minute, inferred, unchanged, rejected, missing, objects, longest_gap_ms, worst_latency_ms
)
SELECT
    c.camera, c.minute, c.inferred, c.unchanged, c.rejected, c.missing, c.objects::jsonb,
    floor(extract(epoch FROM measured.longest_gap) * 1000)::integer, measured.worst_latency_ms
FROM change AS c
JOIN measured USING (camera, minute)
ORDER BY c.camera, c.minute
ON CONFLICT (camera, minute) DO UPDATE SET
    inferred = m.inferred + excluded.inferred,
    unchanged = m.unchanged + excluded.unchanged,
    rejected = m.rejected + excluded.rejected,
    missing = m.missing + excluded.missing,
    objects = CASE
        WHEN excluded.objects = '{}' THEN m.objects
        ELSE sum_counts(m.objects, excluded.objects)
    END,
    longest_gap_ms = excluded.longest_gap_ms,
    worst_latency_ms = excluded.worst_latency_ms;
