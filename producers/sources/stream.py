"""Cameras that send a stream, through FFmpeg: RTSP, MJPEG over HTTP, USB (V4L2).

A camera's own JPEGs are passed on as they are; of H.264 and H.265 only what a tick needs is decoded
(`producers.live.groups`).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial

import av
import av.error
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from producers.live.arrivals import Arrival, Demand
from producers.live.groups import GroupDecoder
from producers.source_settings import MjpegSettings, RtspSettings, WebcamSettings
from producers.sources.base import Picture, SourceError
from producers.sources.decoding import picture_of
from producers.sources.jpegs import jpeg_picture
from schemas.messages import MissingReason
from vision.jpeg import BadJpeg

log = logging.getLogger("onehertz.produce")

# What FFmpeg's errors mean to the owner of a camera, while connecting.
_REASONS: tuple[tuple[type[Exception], MissingReason, str], ...] = (
    (av.error.HTTPUnauthorizedError, "wrong-password", "user or password is wrong"),
    (av.error.HTTPForbiddenError, "wrong-password", "the user may not see this stream"),
    (av.error.HTTPNotFoundError, "refused", "the camera has no stream of that path"),
    (av.error.HTTPClientError, "refused", "the camera refused the request"),
    (av.error.HTTPServerError, "refused", "the camera can't serve the request now"),
    (av.error.ConnectionRefusedError, "refused", "nobody listens at that port"),
    (av.error.PermissionError, "refused", "the device may not be opened by this user"),
    (av.error.FileNotFoundError, "unreachable", "there is no such device"),
    (av.error.InvalidDataError, "undecodable", "what comes is no video that is known here"),
)


# Of a time-out in seconds, as µs: FFmpeg looks at its clock now and then.
_NEARLY = 0.9 * 1_000_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where a stream is, for FFmpeg. `url` may hold a password: never in a message."""

    url: str = field(repr=False)
    format: str | None = None  # FFmpeg's name of the format; None: by what comes
    options: dict[str, str] = field(default_factory=dict)
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 5.0
    hwaccel: str | None = None  # FFmpeg's name of the device type


def rtsp_address(settings: RtspSettings) -> Address:
    """Raises UserError where the password's file can't be read."""
    return Address(
        settings.address(),
        options={
            "rtsp_transport": settings.transport,
            "allowed_media_types": "video",
            # Nobody needs the frame rate here; finding it out would take a second more.
            "fpsprobesize": "0",
        },
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        hwaccel=settings.hwaccel,
    )


def mjpeg_address(settings: MjpegSettings) -> Address:
    """Raises UserError where the password's file can't be read."""
    return Address(
        settings.address(),
        format="mpjpeg",
        # A stream must not make us open files or other protocols.
        options={"protocol_whitelist": "http,https,tcp,tls,httpproxy"},
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
    )


def webcam_address(settings: WebcamSettings) -> Address:
    """A device of this machine."""
    options = {"input_format": settings.format}
    if settings.width is not None:
        options["video_size"] = f"{settings.width}x{settings.height}"
    if settings.fps is not None:
        options["framerate"] = str(settings.fps)
    return Address(str(settings.device), format="v4l2", options=options)


class StreamSource:
    """A live source. `clock`: µs, monotonic; `interval_us`: between two ticks."""

    def __init__(self, address: Address, interval_us: int, clock: Callable[[], int]) -> None:
        self.codec: str | None = None
        self._address = address
        self._interval_us = interval_us
        self._clock = clock

    def arrivals(self, demand: Demand) -> Generator[Arrival | None]:  # noqa: ARG002 - comes unasked
        """See `LiveSource`."""
        with self._opened() as (container, stream):
            self.codec = stream.codec_context.name
            arrival_of = self._by_codec(stream)
            last_us = self._clock()
            try:
                for packet in container.demux(stream):
                    last_us = self._clock()
                    yield arrival_of(packet, last_us)
            except av.error.FFmpegError as error:
                late = self._clock() - last_us >= _NEARLY * self._address.read_timeout_s
                raise _while_reading(error, late) from error

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        address = self._address
        began_us = self._clock()
        try:
            container = av.open(
                address.url,
                format=address.format,
                options=dict(address.options),
                timeout=(address.connect_timeout_s, address.read_timeout_s),
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            late = self._clock() - began_us >= _NEARLY * address.connect_timeout_s
            raise _while_connecting(error, late) from error
        with container:
            if not container.streams.video or container.streams.video[0].codec_context is None:
                raise SourceError("undecodable", "the stream holds no video that is known here")
            yield container, container.streams.video[0]

    def _by_codec(
        self, stream: VideoStream
    ) -> Callable[[Packet[VideoStream], int], Arrival | None]:
        codec = stream.codec_context
        if codec.name == "mjpeg":
            return _jpeg_arrival
        if codec.name == "rawvideo":
            return partial(_raw_arrival, decoder_of(stream, None))
        return GroupDecoder(decoder_of(stream, self._address.hwaccel), self._interval_us).add


def decoder_of(stream: VideoStream, hwaccel: str | None) -> VideoCodecContext:
    """A decoder of our own: the container's is its reader thread's.

    `hwaccel`: the kind of device to decode on; where there is none of that kind, it is the CPU.
    """
    theirs = stream.codec_context
    name = theirs.codec.canonical_name
    codec = av.CodecContext.create(name, "r") if hwaccel is None else _on_device(name, hwaccel)
    assert isinstance(codec, VideoCodecContext)  # noqa: S101 - of a video stream
    codec.extradata = theirs.extradata
    codec.width, codec.height = theirs.width, theirs.height
    if theirs.pix_fmt and theirs.name == "rawvideo":
        codec.pix_fmt = theirs.pix_fmt
    # Frame threads hold pictures back; and cameras are decoded side by side anyway.
    codec.thread_count = 1
    return codec


def _on_device(name: str, hwaccel: str) -> CodecContext:
    try:
        codec = av.CodecContext.create(name, "r", HWAccel(hwaccel, allow_software_fallback=True))
    except av.error.FFmpegError:  # the fallback is for codecs, not for a device that is not there
        codec = av.CodecContext.create(name, "r")
    if not codec.is_hwaccel:
        tell_of_cpu(hwaccel, name)
    return codec


@cache  # once, and not for each camera each time that it connects
def tell_of_cpu(hwaccel: str, name: str) -> None:
    log.warning("no %s device decodes %s here: decoding on the CPU", hwaccel, name)


def _jpeg_arrival(packet: Packet[VideoStream], arrived_us: int) -> Arrival | None:
    return Arrival(arrived_us, partial(passed_on, bytes(packet))) if packet.size else None


def passed_on(jpeg: bytes) -> Picture:
    """A camera's own JPEG. Raises SourceError where it is none, or cut."""
    try:
        return jpeg_picture(jpeg)
    except BadJpeg as error:
        raise SourceError("undecodable", error.detail) from error


def _raw_arrival(
    codec: VideoCodecContext, packet: Packet[VideoStream], arrived_us: int
) -> Arrival | None:
    if not packet.size:
        return None

    def load() -> Picture:
        try:
            (frame,) = codec.decode(packet)
        except (av.error.FFmpegError, ValueError) as error:
            raise SourceError("undecodable", "no picture in a frame of the device") from error
        return picture_of(frame)

    return Arrival(arrived_us, load)


def _while_connecting(error: Exception, late: bool) -> SourceError:
    """`late`: its time was up. FFmpeg then says that it has found no valid data, among others."""
    if late or isinstance(error, av.error.ExitError | TimeoutError):
        return SourceError("unreachable", "no answer in time")
    for kind, reason, detail in _REASONS:
        if isinstance(error, kind):
            return SourceError(reason, detail)
    if isinstance(error, OSError) and error.errno == errno.EPROTONOSUPPORT:  # RTSP's 461
        return SourceError("refused", "the camera does not send by this transport: try the other")
    # The error's own text may hold the address, and that the password.
    return SourceError("unreachable", getattr(error, "strerror", None) or type(error).__name__)


def _while_reading(error: av.error.FFmpegError, late: bool) -> SourceError:
    if late or isinstance(error, av.error.ExitError | TimeoutError):
        return SourceError("stalled", "the connection is open and nothing comes")
    return SourceError("unreachable", f"the stream broke off: {error.strerror}")
