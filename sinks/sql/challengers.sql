-- What one batch of a challenger's frames does to the database, in the order of a transaction.

-- [lock_cameras] Registers the batch's cameras; until the transaction ends no other writer touches their frames.
INSERT INTO cameras AS c (camera)
SELECT b FROM unnest(%(cameras)s::text[]) AS b
ORDER BY b -- the same order in every writer: no deadlock
ON CONFLICT (camera) DO UPDATE SET camera = excluded.camera
WHERE false; -- locked all the same

-- [add_frames] Adds the frames that are new, and says which; where the model has served the tick is its row's.
INSERT INTO challenger_frames (camera, captured_at, model, challenger, boxes)
SELECT k.camera, k.captured_at, k.model, %(challenger)s, k.boxes
FROM unnest(
    %(cameras)s::text[], %(times)s::timestamptz[], %(models)s::text[], %(boxes)s::integer[]
) AS k (camera, captured_at, model, boxes)
WHERE NOT EXISTS (
    SELECT FROM frames AS f
    WHERE f.camera = k.camera AND f.captured_at = k.captured_at AND f.model = k.model
        AND f.captured_at BETWEEN %(first)s AND %(last)s)
ON CONFLICT DO NOTHING
RETURNING camera, captured_at, model;

-- [give_way] Removes what a model found as a challenger at ticks that it serves now.
WITH gone AS (
    DELETE FROM challenger_frames AS c
    USING unnest(%(cameras)s::text[], %(times)s::timestamptz[], %(models)s::text[])
        AS k (camera, captured_at, model)
    WHERE c.camera = k.camera AND c.captured_at = k.captured_at AND c.model = k.model
    RETURNING c.camera, c.captured_at, c.model
)
DELETE FROM detections AS d
USING gone AS g
WHERE d.camera = g.camera AND d.captured_at = g.captured_at AND d.model = g.model
    AND d.captured_at BETWEEN %(first)s AND %(last)s;
