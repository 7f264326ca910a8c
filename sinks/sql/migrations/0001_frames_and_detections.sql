-- Cameras, frames, detections, minutes and models.
--
-- `frames` and `detections` are made as layouts here; 0002 turns them into tables that are split by
-- time, by TimescaleDB or by PostgreSQL itself: so there is one definition for both.

CREATE TYPE frame_status AS ENUM ('missing', 'rejected', 'unchanged', 'inferred');
COMMENT ON TYPE frame_status IS
    'What became of a tick, in the order of precedence: where deliveries disagree, the last of these wins.';

-- No foreign key points at it: the writer upserts the camera in the transaction of its rows, and its
-- row is the lock by which two writers of one camera take turns.
CREATE TABLE cameras (
    camera text PRIMARY KEY,
    first_captured_at timestamptz,
    last_captured_at timestamptz
);
COMMENT ON TABLE cameras IS 'Every camera that ever left a tick or an alert.';
COMMENT ON COLUMN cameras.camera IS 'Camera id: the same as the Kafka key.';
COMMENT ON COLUMN cameras.first_captured_at IS 'Capture time of its earliest tick; NULL where only an alert is known.';
COMMENT ON COLUMN cameras.last_captured_at IS 'Capture time of its latest tick, whatever became of it (a missing one included).';

CREATE TABLE models (
    model text PRIMARY KEY,
    manifest jsonb,
    first_written_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE models IS 'Every model that a frame was ever inferred with.';
COMMENT ON COLUMN models.model IS 'Name as in frames.model and detections.model.';
COMMENT ON COLUMN models.manifest IS 'The model''s manifest, where it has been recorded; NULL otherwise.';
COMMENT ON COLUMN models.first_written_at IS 'When its first row was written (the database''s clock).';

CREATE TABLE frames_layout (
    camera text NOT NULL,
    captured_at timestamptz NOT NULL,
    status frame_status NOT NULL,
    model text,
    because text,
    score double precision,
    same_as timestamptz,
    reason text,
    detail text,
    run text NOT NULL,
    seq bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    partition integer NOT NULL,
    detections_offset bigint NOT NULL,
    gated_offset bigint,
    raw_offset bigint,
    entered_at timestamptz,
    latency_ms integer,
    stage_ms jsonb,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (camera, captured_at)
);
CREATE INDEX ON frames_layout USING brin (captured_at);
CREATE INDEX ON frames_layout (camera, captured_at) WHERE because = 'audit';
COMMENT ON COLUMN frames_layout.camera IS 'Camera id.';
COMMENT ON COLUMN frames_layout.captured_at IS 'Capture time, to the microsecond. With the camera it is the tick''s identity: frame id = camera || ''@'' || microseconds since 1970.';
COMMENT ON COLUMN frames_layout.status IS 'inferred: the model looked. unchanged: same as same_as, not inferred. rejected: unusable, see reason. missing: the camera gave nothing, see reason. Only the first two can say what is there.';
COMMENT ON COLUMN frames_layout.model IS 'Model that inferred it; NULL unless inferred.';
COMMENT ON COLUMN frames_layout.because IS 'Why the gate kept it: first, changed, audit (a random share of what it would have dropped), refresh or off; NULL unless inferred.';
COMMENT ON COLUMN frames_layout.score IS 'How far the gate found it from the last kept frame; NULL if rejected or missing.';
COMMENT ON COLUMN frames_layout.same_as IS 'Capture time of the frame (same camera) that this one equals; NULL unless unchanged.';
COMMENT ON COLUMN frames_layout.reason IS 'Why it was rejected or is missing (a short word); NULL otherwise.';
COMMENT ON COLUMN frames_layout.detail IS 'The same for people, in a sentence; NULL where there is nothing to add.';
COMMENT ON COLUMN frames_layout.run IS 'Run of the producer.';
COMMENT ON COLUMN frames_layout.seq IS 'Number of the tick in that run, without gaps: a gap is a loss.';
COMMENT ON COLUMN frames_layout.width IS 'Width of the captured frame in pixels; 0 where there was none.';
COMMENT ON COLUMN frames_layout.height IS 'Height of the captured frame in pixels; 0 where there was none.';
COMMENT ON COLUMN frames_layout.partition IS 'Kafka partition, the same number on every topic.';
COMMENT ON COLUMN frames_layout.detections_offset IS 'Offset of the record on the detections topic that this row was written from.';
COMMENT ON COLUMN frames_layout.gated_offset IS 'Offset of the tick on frames-gated, where known.';
COMMENT ON COLUMN frames_layout.raw_offset IS 'Offset of the tick on frames-raw, where known: the original picture is there while retention lasts.';
COMMENT ON COLUMN frames_layout.entered_at IS 'When the first stage took the tick (that host''s clock); NULL where no stage said so. written_at - entered_at is the latency to the database.';
COMMENT ON COLUMN frames_layout.latency_ms IS 'Milliseconds from the first stage''s taking the tick to the last one''s giving it on; NULL where no stage said so.';
COMMENT ON COLUMN frames_layout.stage_ms IS 'Milliseconds within each stage, {stage: ms}; the rest of latency_ms is waiting between stages.';
COMMENT ON COLUMN frames_layout.written_at IS 'When this row was written (the database''s clock).';

CREATE TABLE detections_layout (
    camera text NOT NULL,
    captured_at timestamptz NOT NULL,
    model text NOT NULL,
    n integer NOT NULL,
    label text NOT NULL,
    score real NOT NULL,
    x1 real NOT NULL,
    y1 real NOT NULL,
    x2 real NOT NULL,
    y2 real NOT NULL,
    PRIMARY KEY (camera, captured_at, model, n)
);
CREATE INDEX ON detections_layout USING brin (captured_at);
COMMENT ON COLUMN detections_layout.camera IS 'Camera id.';
COMMENT ON COLUMN detections_layout.captured_at IS 'Capture time of the inferred frame.';
COMMENT ON COLUMN detections_layout.model IS 'Model that saw it. To count what the serving model saw, join frames on camera, captured_at and model.';
COMMENT ON COLUMN detections_layout.n IS 'Number of the box in its frame, from 0.';
COMMENT ON COLUMN detections_layout.label IS 'What it is.';
COMMENT ON COLUMN detections_layout.score IS 'How sure the model is, 0 to 1.';
COMMENT ON COLUMN detections_layout.x1 IS 'Left edge, as a fraction (0 to 1) of the captured frame''s width.';
COMMENT ON COLUMN detections_layout.y1 IS 'Top edge, as a fraction of the height.';
COMMENT ON COLUMN detections_layout.x2 IS 'Right edge, as a fraction of the width.';
COMMENT ON COLUMN detections_layout.y2 IS 'Bottom edge, as a fraction of the height.';

-- Objects are jsonb and not a child table: a minute stays one row that one update keeps whole, and
-- the view camera_minute_objects gives a row per label to who wants that.
CREATE TABLE camera_minutes (
    camera text NOT NULL,
    minute timestamptz NOT NULL,
    inferred integer NOT NULL,
    unchanged integer NOT NULL,
    rejected integer NOT NULL,
    missing integer NOT NULL,
    objects jsonb NOT NULL,
    longest_gap_ms integer NOT NULL,
    worst_latency_ms integer,
    PRIMARY KEY (camera, minute)
) WITH (fillfactor = 80);
CREATE INDEX ON camera_minutes USING brin (minute);
COMMENT ON TABLE camera_minutes IS 'One row per camera and minute that has a tick; kept up in the transaction of the rows.';
COMMENT ON COLUMN camera_minutes.camera IS 'Camera id.';
COMMENT ON COLUMN camera_minutes.minute IS 'Beginning of the minute (UTC), by capture time.';
COMMENT ON COLUMN camera_minutes.inferred IS 'Ticks that a model looked at.';
COMMENT ON COLUMN camera_minutes.unchanged IS 'Ticks that equal an earlier frame.';
COMMENT ON COLUMN camera_minutes.rejected IS 'Ticks whose frame was unusable.';
COMMENT ON COLUMN camera_minutes.missing IS 'Ticks at which the camera gave nothing.';
COMMENT ON COLUMN camera_minutes.objects IS 'Boxes on the minute''s inferred frames, {label: number}. Unchanged frames add nothing here: for what is there at every second see detections_at_every_second.';
COMMENT ON COLUMN camera_minutes.longest_gap_ms IS 'Longest time within the minute without an inferred or unchanged tick, the minute''s two ends included: 60000 where there is none. In a minute that is still under way its end counts as a gap.';
COMMENT ON COLUMN camera_minutes.worst_latency_ms IS 'Largest latency_ms of the minute''s frames; NULL where none is known.';

CREATE FUNCTION sum_counts(a jsonb, b jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(jsonb_object_agg(key, n), '{}')
        FROM (
            SELECT key, sum(value::bigint) AS n
            FROM (SELECT * FROM jsonb_each_text(a) UNION ALL SELECT * FROM jsonb_each_text(b)) AS pairs
            GROUP BY key
            HAVING sum(value::bigint) <> 0
        ) AS sums
    );
COMMENT ON FUNCTION sum_counts(jsonb, jsonb) IS 'Adds two {label: number} objects; what comes to 0 is left out.';
