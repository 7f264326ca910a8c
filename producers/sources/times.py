"""Media times of a file's frames, from the timestamps that the file gives them."""

from __future__ import annotations

from fractions import Fraction

# A step back by less is disorder or a repeat (the frame is dropped); by more, the file's timestamps
# begin anew there (recordings joined end to end) and time goes on from where it was.
RESTART_US = 1_000_000
# A step forward by more is a broken timestamp and not a gap: it would become 86,400 missing ticks.
LONGEST_GAP_US = 86_400_000_000


class MediaTimes:
    """Microseconds since the first frame, strictly rising, whatever the file's timestamps do.

    Fed in the order in which the decoder gives frames. Timestamps and the file's own durations
    alone decide; frames are never counted at an assumed rate.
    """

    def __init__(self, origin_us: int | None = None) -> None:
        self.origin_us = origin_us  # timestamp of media time 0, set by the first frame
        self._last_us: int | None = None
        self._step_us: int | None = None  # last step forward that was believed

    def place(
        self,
        pts: int | None,
        dts: int | None,
        time_base: Fraction | None,
        duration: int | None = None,
    ) -> int | None:
        """Media time of the next frame in µs; None where it has no place after the last one.

        pts, dts and duration are in units of `time_base` seconds. A frame without a timestamp
        follows the one before it by the duration that the file states, or has no place.
        """
        stamp = pts if pts is not None else dts
        if stamp is None or not time_base:
            return self._follow(_to_us(duration, time_base))
        at_us = _to_us(stamp, time_base)
        if self.origin_us is None:
            self.origin_us = at_us
        return self._accept(at_us - self.origin_us)

    def _accept(self, media_us: int) -> int | None:
        last_us = self._last_us
        if last_us is None:
            self._last_us = media_us
            return media_us
        if media_us <= last_us and last_us - media_us < RESTART_US:
            return None
        if media_us < last_us or media_us - last_us > LONGEST_GAP_US:
            return self._begin_anew(media_us, last_us)
        self._step_us = media_us - last_us
        self._last_us = media_us
        return media_us

    def _begin_anew(self, media_us: int, last_us: int) -> int:
        assert self.origin_us is not None  # noqa: S101 - a frame came before this one
        placed_us = last_us + (self._step_us or 1)
        self.origin_us += media_us - placed_us
        self._last_us = placed_us
        return placed_us

    def _follow(self, duration_us: int) -> int | None:
        if self._last_us is None or duration_us <= 0:
            return None
        self._last_us += duration_us
        return self._last_us


def _to_us(count: int | None, time_base: Fraction | None) -> int:
    return 0 if count is None or not time_base else round(count * time_base * 1_000_000)
