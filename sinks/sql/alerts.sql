-- What one batch of alert changes does to the database, in the order of a transaction.

-- [lock_cameras] Registers the batch's cameras; until the transaction ends no other writer touches their alerts.
INSERT INTO cameras AS c (camera)
SELECT b FROM unnest(%(cameras)s::text[]) AS b
ORDER BY b -- the same order in every writer: no deadlock
ON CONFLICT (camera) DO UPDATE SET camera = excluded.camera
WHERE false; -- locked all the same

-- [held_events] Which of the batch's changes have a row already: number in the batch (from 1), and where it came from.
SELECT k.n, e.alerts_offset, e.partition
FROM unnest(%(alerts)s::text[], %(times)s::timestamptz[], %(changes)s::alert_change[])
    WITH ORDINALITY AS k (alert, at, change, n)
JOIN alert_events AS e ON e.alert = k.alert AND e.at = k.at AND e.change = k.change;

-- [remove_event] Removes a change that another delivery of it comes before.
DELETE FROM alert_events
WHERE alert = %(alert)s AND at = %(at)s AND change = %(change)s::alert_change;

-- [add_event] Adds a change.
INSERT INTO alert_events (
    alert, at, change, camera, rule, severity, began_at, ended_at, evidence_at,
    evidence_partition, evidence_raw_offset, text, boxes, late, partition, alerts_offset
) VALUES (
    %(alert)s, %(at)s, %(change)s::alert_change, %(camera)s, %(rule)s, %(severity)s,
    %(began_at)s, %(ended_at)s, %(evidence_at)s, %(evidence_partition)s, %(evidence_raw_offset)s,
    %(text)s, %(boxes)s::jsonb, %(late)s, %(partition)s, %(alerts_offset)s
);

-- [fold_alerts] Makes the alerts anew from all their changes, so that the order of arrival is of no account.
INSERT INTO alerts (
    alert, camera, rule, severity, state, began_at, raised_at, updated_at, ended_at,
    evidence_at, evidence_partition, evidence_raw_offset, text, late, changes
)
SELECT
    latest.alert, latest.camera, latest.rule, latest.severity, latest.change, latest.began_at,
    whole.raised_at, latest.at, whole.ended_at,
    shown.evidence_at, shown.evidence_partition, shown.evidence_raw_offset,
    latest.text, whole.late, whole.changes
FROM (
    SELECT
        alert,
        min(at) FILTER (WHERE change = 'raised') AS raised_at,
        max(ended_at) AS ended_at,
        bool_or(late) AS late,
        count(*) AS changes
    FROM alert_events
    WHERE alert = ANY (%(alerts)s::text[])
    GROUP BY alert
) AS whole
CROSS JOIN LATERAL (
    SELECT * FROM alert_events AS e
    WHERE e.alert = whole.alert
    ORDER BY e.at DESC, e.change DESC
    LIMIT 1
) AS latest
LEFT JOIN LATERAL (
    SELECT e.evidence_at, e.evidence_partition, e.evidence_raw_offset
    FROM alert_events AS e
    WHERE e.alert = whole.alert AND e.evidence_at IS NOT NULL
    ORDER BY e.at DESC, e.change DESC
    LIMIT 1
) AS shown ON true
ON CONFLICT (alert) DO UPDATE SET
    severity = excluded.severity,
    state = excluded.state,
    raised_at = excluded.raised_at,
    updated_at = excluded.updated_at,
    ended_at = excluded.ended_at,
    evidence_at = excluded.evidence_at,
    evidence_partition = excluded.evidence_partition,
    evidence_raw_offset = excluded.evidence_raw_offset,
    text = excluded.text,
    late = excluded.late,
    changes = excluded.changes;
