-- What challengers looked at. Their boxes lie in `detections`, beside those of the serving model.

CREATE TABLE challenger_frames (
    camera text NOT NULL,
    captured_at timestamptz NOT NULL,
    model text NOT NULL,
    challenger text NOT NULL,
    boxes integer NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (camera, captured_at, model)
);
CREATE INDEX ON challenger_frames USING brin (captured_at);
COMMENT ON TABLE challenger_frames IS 'One row per frame that a challenger (a model on trial) looked at: a share of the kept frames. Says nothing about what became of the tick: that is the serving line''s row in frames.';
COMMENT ON COLUMN challenger_frames.camera IS 'Camera id.';
COMMENT ON COLUMN challenger_frames.captured_at IS 'Capture time: with camera, the tick.';
COMMENT ON COLUMN challenger_frames.model IS 'Model that looked; its boxes are those of detections with the same camera, captured_at and model.';
COMMENT ON COLUMN challenger_frames.challenger IS 'Name of the trial: the topic is detections-<challenger>.';
COMMENT ON COLUMN challenger_frames.boxes IS 'How many boxes it found; 0 where it saw nothing.';
COMMENT ON COLUMN challenger_frames.written_at IS 'When this row was written (the database''s clock).';

CREATE FUNCTION box_iou(
    ax1 real, ay1 real, ax2 real, ay2 real, bx1 real, by1 real, bx2 real, by2 real
) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT CASE WHEN a + b > shared THEN shared / (a + b - shared) ELSE 0 END
        FROM (
            SELECT
                greatest(least(ax2, bx2) - greatest(ax1, bx1), 0)::double precision
                    * greatest(least(ay2, by2) - greatest(ay1, by1), 0) AS shared,
                (ax2 - ax1)::double precision * (ay2 - ay1) AS a,
                (bx2 - bx1)::double precision * (by2 - by1) AS b
        ) AS areas
    );
COMMENT ON FUNCTION box_iou(real, real, real, real, real, real, real, real) IS 'Intersection over union of two boxes, x1 y1 x2 y2 each; 0 to 1.';
