-- The views, made anew by every `onehertz db migrate` that finds this file changed. A change that
-- CREATE OR REPLACE can't make (a column renamed, moved or dropped) needs a numbered migration that
-- drops the view first.

CREATE OR REPLACE VIEW detections_at_every_second AS
SELECT
    f.camera,
    f.captured_at,
    f.status,
    source.captured_at IS NOT NULL AS known,
    source.captured_at AS seen_at,
    source.model,
    CASE WHEN source.captured_at IS NOT NULL THEN count(d.n) OVER tick END AS boxes,
    d.n,
    d.label,
    d.score,
    d.x1,
    d.y1,
    d.x2,
    d.y2
FROM frames AS f
LEFT JOIN frames AS source
    ON source.camera = f.camera
    AND source.captured_at = CASE f.status
        WHEN 'inferred' THEN f.captured_at
        WHEN 'unchanged' THEN f.same_as
    END
    AND source.status = 'inferred'
LEFT JOIN detections AS d
    ON d.camera = source.camera AND d.captured_at = source.captured_at AND d.model = source.model
WINDOW tick AS (PARTITION BY f.camera, f.captured_at);

COMMENT ON VIEW detections_at_every_second IS
'What is there at every tick: a row per box, the boxes of an unchanged tick being those of the frame that it equals. A tick at which nothing is there has one row with known = true, boxes = 0 and label NULL; a tick of which nothing is known (missing, rejected, or equal to a frame that was never inferred) one row with known = false and boxes NULL. To count a label without taking unknown for 0: SELECT camera, captured_at, CASE WHEN known THEN count(*) FILTER (WHERE label = ''person'') END FROM detections_at_every_second GROUP BY camera, captured_at, known.';
COMMENT ON COLUMN detections_at_every_second.captured_at IS 'Capture time of the tick.';
COMMENT ON COLUMN detections_at_every_second.status IS 'What became of the tick.';
COMMENT ON COLUMN detections_at_every_second.known IS 'False where nothing can be said of what is there.';
COMMENT ON COLUMN detections_at_every_second.seen_at IS 'Capture time of the inferred frame that the boxes are from.';
COMMENT ON COLUMN detections_at_every_second.boxes IS 'Number of boxes at this tick; NULL (not 0) where unknown.';

CREATE OR REPLACE VIEW latest_detections AS
SELECT
    c.camera,
    latest.captured_at,
    latest.seen_at,
    latest.model,
    count(d.n) OVER (PARTITION BY c.camera) AS boxes,
    d.n,
    d.label,
    d.score,
    d.x1,
    d.y1,
    d.x2,
    d.y2,
    last_tick.captured_at AS last_tick_at,
    last_tick.status AS last_status
FROM cameras AS c
CROSS JOIN LATERAL (
    SELECT f.captured_at, source.captured_at AS seen_at, source.model
    FROM frames AS f
    JOIN frames AS source
        ON source.camera = f.camera
        AND source.captured_at = CASE f.status
            WHEN 'inferred' THEN f.captured_at
            WHEN 'unchanged' THEN f.same_as
        END
        AND source.status = 'inferred'
    WHERE f.camera = c.camera AND f.status IN ('inferred', 'unchanged')
    ORDER BY f.captured_at DESC
    LIMIT 1
) AS latest
CROSS JOIN LATERAL (
    SELECT f.captured_at, f.status
    FROM frames AS f
    WHERE f.camera = c.camera
    ORDER BY f.captured_at DESC
    LIMIT 1
) AS last_tick
LEFT JOIN detections AS d
    ON d.camera = c.camera AND d.captured_at = latest.seen_at AND d.model = latest.model;

COMMENT ON VIEW latest_detections IS
'What each camera''s latest known tick shows: a row per box, or one row with boxes = 0 and label NULL where nothing is there. A camera of which nothing was ever known is not listed. Compare captured_at with last_tick_at to see how old that is.';
COMMENT ON COLUMN latest_detections.captured_at IS 'Capture time of the latest tick of which it is known what is there.';
COMMENT ON COLUMN latest_detections.seen_at IS 'Capture time of the inferred frame that the boxes are from.';
COMMENT ON COLUMN latest_detections.boxes IS 'Number of boxes at that tick.';
COMMENT ON COLUMN latest_detections.last_tick_at IS 'Capture time of the camera''s latest tick, known or not.';
COMMENT ON COLUMN latest_detections.last_status IS 'What became of that tick.';

CREATE OR REPLACE VIEW camera_minute_objects AS
SELECT m.camera, m.minute, o.key AS label, o.value::bigint AS n
FROM camera_minutes AS m
CROSS JOIN LATERAL jsonb_each_text(m.objects) AS o;

COMMENT ON VIEW camera_minute_objects IS 'camera_minutes.objects with a row per label.';
COMMENT ON COLUMN camera_minute_objects.n IS 'Boxes with that label on the minute''s inferred frames.';

CREATE OR REPLACE VIEW gate_audit AS
SELECT
    audit.camera,
    audit.captured_at,
    audit.score,
    before.captured_at AS reference_at,
    seen.objects AS objects,
    before.objects AS reference_objects,
    seen.objects = before.objects AS same
FROM frames AS audit
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(label, n), '{}') AS objects
    FROM (
        SELECT label, count(*) AS n
        FROM detections AS d
        WHERE d.camera = audit.camera AND d.captured_at = audit.captured_at AND d.model = audit.model
        GROUP BY label
    ) AS counts
) AS seen
LEFT JOIN LATERAL (
    SELECT
        f.captured_at,
        (
            SELECT coalesce(jsonb_object_agg(label, n), '{}')
            FROM (
                SELECT label, count(*) AS n
                FROM detections AS d
                WHERE d.camera = f.camera AND d.captured_at = f.captured_at AND d.model = f.model
                GROUP BY label
            ) AS counts
        ) AS objects
    FROM frames AS f
    WHERE f.camera = audit.camera
        AND f.status = 'inferred'
        AND f.model = audit.model
        AND f.captured_at < audit.captured_at
        -- A reference is refreshed after 600 s at the latest.
        AND f.captured_at >= audit.captured_at - INTERVAL '600 seconds'
    ORDER BY f.captured_at DESC
    LIMIT 1
) AS before ON true
WHERE audit.because = 'audit';

COMMENT ON VIEW gate_audit IS
'The gate''s random check of itself: a row per frame that it would have dropped and that was inferred anyway, with the objects by label on it and on the inferred frame before it. First form: compares numbers by label, not positions.';
COMMENT ON COLUMN gate_audit.score IS 'How far the gate found it from the last kept frame.';
COMMENT ON COLUMN gate_audit.reference_at IS 'Capture time of the inferred frame before it; NULL where none of the same model lies within 600 s.';
COMMENT ON COLUMN gate_audit.objects IS 'What is on the audited frame, {label: number}.';
COMMENT ON COLUMN gate_audit.reference_objects IS 'What was on the reference, and would have been taken for what is there.';
COMMENT ON COLUMN gate_audit.same IS 'True where both agree; NULL without a reference.';

CREATE OR REPLACE VIEW challenger_comparison AS
WITH looked AS (
    SELECT c.challenger, c.camera, c.captured_at, c.model, f.model AS serving_model
    FROM challenger_frames AS c
    JOIN frames AS f
        ON f.camera = c.camera AND f.captured_at = c.captured_at AND f.status = 'inferred'
), ours AS (
    SELECT l.camera, l.captured_at, l.model, d.label, true AS on_trial,
        EXISTS (
            SELECT FROM detections AS o
            WHERE o.camera = l.camera AND o.captured_at = l.captured_at
                AND o.model = l.serving_model AND o.label = d.label
                AND box_iou(d.x1, d.y1, d.x2, d.y2, o.x1, o.y1, o.x2, o.y2) >= 0.5
        ) AS agreed
    FROM looked AS l
    JOIN detections AS d
        ON d.camera = l.camera AND d.captured_at = l.captured_at AND d.model = l.model
), theirs AS (
    SELECT l.camera, l.captured_at, l.model, d.label, false AS on_trial,
        EXISTS (
            SELECT FROM detections AS o
            WHERE o.camera = l.camera AND o.captured_at = l.captured_at
                AND o.model = l.model AND o.label = d.label
                AND box_iou(d.x1, d.y1, d.x2, d.y2, o.x1, o.y1, o.x2, o.y2) >= 0.5
        ) AS agreed
    FROM looked AS l
    JOIN detections AS d
        ON d.camera = l.camera AND d.captured_at = l.captured_at AND d.model = l.serving_model
), boxes AS (
    SELECT * FROM ours UNION ALL SELECT * FROM theirs
)
SELECT
    l.challenger,
    l.camera,
    l.captured_at,
    l.model,
    l.serving_model,
    b.label,
    count(*) FILTER (WHERE b.on_trial) AS boxes,
    count(*) FILTER (WHERE NOT b.on_trial) AS serving_boxes,
    count(*) FILTER (WHERE b.on_trial AND b.agreed) AS boxes_agreed,
    count(*) FILTER (WHERE NOT b.on_trial AND b.agreed) AS serving_boxes_agreed
FROM looked AS l
LEFT JOIN boxes AS b
    ON b.camera = l.camera AND b.captured_at = l.captured_at AND b.model = l.model
GROUP BY l.challenger, l.camera, l.captured_at, l.model, l.serving_model, b.label;

COMMENT ON VIEW challenger_comparison IS
'A challenger beside the model that serves: a row per frame that both looked at and label that either saw there; one with label NULL and zeros where neither saw anything. Labels are compared by name. Neither is the truth: look at pictures where they differ.';
COMMENT ON COLUMN challenger_comparison.challenger IS 'Name of the trial.';
COMMENT ON COLUMN challenger_comparison.model IS 'Model on trial.';
COMMENT ON COLUMN challenger_comparison.serving_model IS 'Model that inferred the frame for the line.';
COMMENT ON COLUMN challenger_comparison.boxes IS 'Boxes of that label that the challenger found.';
COMMENT ON COLUMN challenger_comparison.serving_boxes IS 'Boxes of that label that the serving model found.';
COMMENT ON COLUMN challenger_comparison.boxes_agreed IS 'The challenger''s boxes that overlap one of the serving model''s, of that label, at IoU 0.5 or more.';
COMMENT ON COLUMN challenger_comparison.serving_boxes_agreed IS 'The serving model''s boxes that overlap one of the challenger''s in the same way.';

CREATE OR REPLACE VIEW challenger_summary AS
SELECT
    c.challenger,
    c.model,
    c.serving_model,
    c.camera,
    c.label,
    looked.frames,
    count(*) FILTER (WHERE c.boxes > 0) AS frames_seen,
    count(*) FILTER (WHERE c.serving_boxes > 0) AS serving_frames_seen,
    sum(c.boxes)::bigint AS boxes,
    sum(c.serving_boxes)::bigint AS serving_boxes,
    sum(c.boxes_agreed)::bigint AS boxes_agreed,
    sum(c.serving_boxes_agreed)::bigint AS serving_boxes_agreed
FROM challenger_comparison AS c
JOIN (
    SELECT challenger, model, serving_model, camera, count(DISTINCT captured_at) AS frames
    FROM challenger_comparison
    GROUP BY challenger, model, serving_model, camera
) AS looked USING (challenger, model, serving_model, camera)
WHERE c.label IS NOT NULL
GROUP BY c.challenger, c.model, c.serving_model, c.camera, c.label, looked.frames;

COMMENT ON VIEW challenger_summary IS
'challenger_comparison over all time, by camera and label. For a part of it: group challenger_comparison by what you like WHERE captured_at is in that part.';
COMMENT ON COLUMN challenger_summary.frames IS 'Frames of the camera that both models looked at.';
COMMENT ON COLUMN challenger_summary.frames_seen IS 'Of these, frames on which the challenger saw the label.';
COMMENT ON COLUMN challenger_summary.serving_frames_seen IS 'Of these, frames on which the serving model saw it.';
