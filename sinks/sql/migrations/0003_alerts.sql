-- Alerts: every change as it arrived, and the alert that they add up to.

CREATE TYPE alert_change AS ENUM ('raised', 'updated', 'cleared');
COMMENT ON TYPE alert_change IS 'What happened to an alert, in the order in which changes of one capture time apply.';

CREATE TABLE alert_events (
    alert text NOT NULL,
    at timestamptz NOT NULL,
    change alert_change NOT NULL,
    camera text NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    evidence_at timestamptz,
    evidence_partition integer,
    evidence_raw_offset bigint,
    text text NOT NULL,
    boxes jsonb NOT NULL,
    late boolean NOT NULL,
    partition integer NOT NULL,
    alerts_offset bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (alert, at, change)
);
CREATE INDEX ON alert_events (camera, at);
COMMENT ON TABLE alert_events IS 'Every change of every alert: raised, updated, cleared.';
COMMENT ON COLUMN alert_events.alert IS 'Alert id: alerts.alert.';
COMMENT ON COLUMN alert_events.at IS 'Capture time of the tick that brought the change; with camera it names its row in frames.';
COMMENT ON COLUMN alert_events.change IS 'raised, updated or cleared.';
COMMENT ON COLUMN alert_events.camera IS 'Camera id.';
COMMENT ON COLUMN alert_events.rule IS 'Name of the rule.';
COMMENT ON COLUMN alert_events.severity IS 'info, warning or critical.';
COMMENT ON COLUMN alert_events.began_at IS 'Capture time of the first tick for which the condition held.';
COMMENT ON COLUMN alert_events.ended_at IS 'Capture time of the first tick for which it no longer held; NULL unless cleared.';
COMMENT ON COLUMN alert_events.evidence_at IS 'Capture time of the inferred frame (same camera) that shows it; NULL if there is none.';
COMMENT ON COLUMN alert_events.evidence_partition IS 'Kafka partition of that frame.';
COMMENT ON COLUMN alert_events.evidence_raw_offset IS 'Offset of that frame on frames-raw.';
COMMENT ON COLUMN alert_events.text IS 'What happened, for people.';
COMMENT ON COLUMN alert_events.boxes IS 'The boxes concerned: [{label, score, x1, y1, x2, y2}], fractions of the frame.';
COMMENT ON COLUMN alert_events.late IS 'True where the record that brought it came late.';
COMMENT ON COLUMN alert_events.partition IS 'Kafka partition of the change on the alerts topic.';
COMMENT ON COLUMN alert_events.alerts_offset IS 'Its offset there.';
COMMENT ON COLUMN alert_events.written_at IS 'When this row was written (the database''s clock).';

CREATE TABLE alerts (
    alert text PRIMARY KEY,
    camera text NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    state alert_change NOT NULL,
    began_at timestamptz NOT NULL,
    raised_at timestamptz,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    evidence_at timestamptz,
    evidence_partition integer,
    evidence_raw_offset bigint,
    text text NOT NULL,
    late boolean NOT NULL,
    changes integer NOT NULL
);
CREATE INDEX ON alerts (camera, began_at);
CREATE INDEX ON alerts (began_at);
COMMENT ON TABLE alerts IS 'One row per alert: what its changes in alert_events add up to, in whatever order they came.';
COMMENT ON COLUMN alerts.alert IS 'Alert id, made of rule, camera and began_at: the same in a repeat of the run.';
COMMENT ON COLUMN alerts.camera IS 'Camera id.';
COMMENT ON COLUMN alerts.rule IS 'Name of the rule.';
COMMENT ON COLUMN alerts.severity IS 'info, warning or critical; by the latest change.';
COMMENT ON COLUMN alerts.state IS 'The latest change: raised and updated mean that it goes on, cleared that it is over.';
COMMENT ON COLUMN alerts.began_at IS 'Capture time of the first tick for which the condition held.';
COMMENT ON COLUMN alerts.raised_at IS 'Capture time at which it was raised; NULL if that change never came.';
COMMENT ON COLUMN alerts.updated_at IS 'Capture time of the latest change.';
COMMENT ON COLUMN alerts.ended_at IS 'Capture time of the first tick for which the condition no longer held; NULL while it goes on.';
COMMENT ON COLUMN alerts.evidence_at IS 'Capture time of the frame that shows it, by the latest change that names one.';
COMMENT ON COLUMN alerts.evidence_partition IS 'Kafka partition of that frame.';
COMMENT ON COLUMN alerts.evidence_raw_offset IS 'Offset of that frame on frames-raw.';
COMMENT ON COLUMN alerts.text IS 'What happened, for people; by the latest change.';
COMMENT ON COLUMN alerts.late IS 'True where any change of it came late.';
COMMENT ON COLUMN alerts.changes IS 'Number of changes so far.';
