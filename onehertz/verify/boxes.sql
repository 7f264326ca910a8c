-- Boxes of the models that serve at ticks whose row is of no model, of another one, or not there,
-- and that they did not find as challengers.
SELECT d.camera, (extract(epoch FROM d.captured_at) * 1000000)::bigint, d.model, count(*)
FROM detections AS d
WHERE d.model = ANY (%(models)s::text[])
    AND NOT EXISTS (
        SELECT FROM frames AS f
        WHERE f.camera = d.camera AND f.captured_at = d.captured_at AND f.model = d.model)
    AND NOT EXISTS (
        SELECT FROM challenger_frames AS c
        WHERE c.camera = d.camera AND c.captured_at = d.captured_at AND c.model = d.model)
GROUP BY d.camera, d.captured_at, d.model
ORDER BY d.camera, d.captured_at, d.model
