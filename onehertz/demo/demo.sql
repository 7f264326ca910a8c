-- What the demo asks the database: while it runs, at its end, and as examples for the reader.

-- [counts] Rows by camera and status.
SELECT camera, status::text, count(*) FROM frames GROUP BY camera, status;

-- [labels] Detections by camera and label.
SELECT d.camera, d.label, count(*)
FROM detections AS d
JOIN frames AS f USING (camera, captured_at, model)
GROUP BY d.camera, d.label;

-- [last_alerts] The last change of an alert on each camera.
SELECT DISTINCT ON (camera) camera, rule, change::text, at
FROM alert_events
ORDER BY camera, at DESC;

-- [alert_changes] How many alerts were raised and cleared.
SELECT change::text, count(*) FROM alert_events GROUP BY change;

-- [latencies] Milliseconds from the producer's taking the frame to its row, by camera; the newest ticks.
SELECT camera, 1000 * extract(epoch FROM written_at - entered_at)::double precision AS latency_ms
FROM frames
WHERE entered_at IS NOT NULL
ORDER BY written_at DESC
LIMIT %(newest)s;

-- [first_detection] When the first detection was there; NULL before.
SELECT min(f.written_at)
FROM frames AS f
JOIN detections AS d USING (camera, captured_at, model);

-- [best_frames] Of each camera the inferred frame with the most that is sure.
SELECT DISTINCT ON (f.camera) f.camera, f.captured_at, f.partition, f.raw_offset
FROM frames AS f
LEFT JOIN detections AS d USING (camera, captured_at, model)
WHERE f.status = 'inferred' AND f.raw_offset IS NOT NULL
GROUP BY f.camera, f.captured_at, f.partition, f.raw_offset
ORDER BY f.camera, coalesce(sum(d.score), 0) DESC, f.captured_at;

-- [boxes] The boxes of one frame.
SELECT d.label, d.score, d.x1, d.y1, d.x2, d.y2
FROM detections AS d
JOIN frames AS f USING (camera, captured_at, model)
WHERE camera = %(camera)s AND captured_at = %(captured_at)s
ORDER BY d.n;

-- [dwell] For how long was nobody, somebody or a crowd there? Unchanged seconds count too.
SELECT camera,
       CASE WHEN NOT known THEN 'unknown' WHEN people = 0 THEN 'nobody'
            WHEN people < 5 THEN '1 to 4 people' ELSE '5 or more' END AS what,
       count(*) AS seconds
FROM (SELECT camera, captured_at, known,
             count(*) FILTER (WHERE label = 'person') AS people
      FROM detections_at_every_second
      GROUP BY camera, captured_at, known) AS ticks
GROUP BY camera, what
ORDER BY camera, seconds DESC;

-- [alarms] Which alerts were raised, when (UTC), and for how long did they last?
SELECT rule, camera,
       to_char(raised_at AT TIME ZONE 'UTC', 'HH24:MI:SS') AS raised,
       CASE WHEN state = 'cleared'
            THEN extract(epoch FROM ended_at - began_at)::int || ' s'
            ELSE 'goes on' END AS lasted
FROM alerts
ORDER BY raised_at, camera
LIMIT 10;

-- [audited] What did the gate drop, and what did its own random checks find?
SELECT f.camera, count(*) AS ticks,
       count(*) FILTER (WHERE f.status = 'inferred') AS inferred,
       round(100.0 * count(*) FILTER (WHERE f.status = 'unchanged')
             / count(*), 1) AS dropped_pct,
       count(a.captured_at) AS audited,
       count(a.captured_at) FILTER (WHERE a.same) AS agreed
FROM frames AS f
LEFT JOIN gate_audit AS a USING (camera, captured_at)
GROUP BY f.camera
ORDER BY f.camera;
