-- The rows of `frames` that can be judged, with their boxes; by partition, camera and capture time.
-- Left out are those whose tick and whose record both lie before what is read of the topics.
SELECT
    f.partition,
    f.camera,
    (extract(epoch FROM f.captured_at) * 1000000)::bigint,
    f.detections_offset,
    f.status::text,
    f.model,
    f.because,
    f.score,
    (extract(epoch FROM f.same_as) * 1000000)::bigint,
    f.reason,
    coalesce(f.detail, ''),
    f.run,
    f.seq,
    f.width,
    f.height,
    f.gated_offset,
    f.raw_offset,
    CASE WHEN f.model IS NOT NULL THEN (
        SELECT json_agg(
            json_build_array(d.n, d.label, d.score, d.x1, d.y1, d.x2, d.y2) ORDER BY d.n)
        FROM detections AS d
        WHERE d.camera = f.camera AND d.captured_at = f.captured_at AND d.model = f.model
    ) END
FROM frames AS f
LEFT JOIN unnest(%(raw_begins)s::bigint[], %(result_begins)s::bigint[])
    WITH ORDINALITY AS seen (raw, result, n)
    ON seen.n = f.partition + 1
WHERE (f.raw_offset < seen.raw AND f.detections_offset < seen.result) IS NOT TRUE
ORDER BY f.partition, f.camera, f.captured_at
