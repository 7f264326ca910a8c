-- Where the rows of these ticks come from.
SELECT
    f.camera,
    (extract(epoch FROM f.captured_at) * 1000000)::bigint,
    f.partition,
    f.detections_offset,
    f.raw_offset
FROM unnest(%(cameras)s::text[], %(times)s::timestamptz[]) AS asked (camera, captured_at)
JOIN frames AS f USING (camera, captured_at)
