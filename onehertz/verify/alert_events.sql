-- The rows of `alert_events`.
SELECT
    alert,
    (extract(epoch FROM at) * 1000000)::bigint,
    change::text,
    partition,
    alerts_offset,
    camera,
    rule,
    severity,
    (extract(epoch FROM began_at) * 1000000)::bigint,
    (extract(epoch FROM ended_at) * 1000000)::bigint,
    (extract(epoch FROM evidence_at) * 1000000)::bigint,
    evidence_partition,
    evidence_raw_offset,
    text,
    boxes,
    late
FROM alert_events
ORDER BY alert, at, change
