"""What the landed cameras of one process share: the ledger, and the queues that are heard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

from producers.edge import NO_EDGE_GATES, EdgeGates
from producers.landed.camera import LandedCamera
from producers.landed.folder import FolderStore
from producers.landed.inbox import ASIDE, DONE, Inbox
from producers.landed.ledger import Ledger
from producers.landed.playing import Player
from producers.landed.queues import Listener, Queues
from producers.landed.settings import LandedSettings, S3Settings
from producers.landed.stores import Store
from producers.live.ticks import monotonic_us
from producers.settings import CameraSettings
from producers.tail import Tail
from producers.threads import PatientHand
from runtime.errors import UserError


class Landings:
    """Makes landed cameras. The ledger is opened for the first of them."""

    def __init__(
        self,
        folder: Path,
        tail: Tail,
        counted: Callable[[Literal["done", "aside"]], None],
        gates: EdgeGates = NO_EDGE_GATES,
    ) -> None:
        """`counted` is called once for each file that is done or set aside."""
        self._folder = folder
        self._tail = tail
        self._counted = counted
        self._gates = gates
        self._opened: tuple[Ledger, Queues] | None = None

    def camera(
        self,
        camera: str,
        settings: CameraSettings,
        source: LandedSettings | S3Settings,
        hand: PatientHand,
    ) -> LandedCamera:
        """Not yet started. Raises UserError: the ledger can't be used, a package is missing."""
        ledger, queues = self._open()
        store = store_of(source)
        inbox = Inbox(
            camera,
            store,
            ledger,
            times=source.name_times,
            settle_us=round(source.settle_s * 1e6),
            finished=source.finished,
            monotonic=monotonic_us,
            counted=self._counted,
        )
        overlap_us = round(source.max_overlap_s * 1e6)
        player = Player(camera, settings, overlap_us, store, ledger, self._tail, self._gates)
        news = threading.Event()
        listening: AbstractContextManager[None] = nullcontext()
        if isinstance(source, S3Settings) and source.queue_url is not None:
            listener = Listener(camera, source.bucket, source.prefix, news.set)
            client = partial(_client, "sqs", source)
            listening = queues.listening(source.queue_url, client, listener)
        return LandedCamera(
            camera,
            inbox,
            player,
            hand,
            look_every_s=source.look_every_s,
            speed=source.speed,
            news=news,
            listening=listening,
        )

    def _open(self) -> tuple[Ledger, Queues]:
        if self._opened is None:
            ledger = Ledger(self._folder)
            self._opened = ledger, Queues(ledger)
        return self._opened

    def close(self) -> None:
        """Once the cameras have ended."""
        if self._opened is not None:
            ledger, queues = self._opened
            queues.close()
            ledger.close()


def store_of(source: LandedSettings | S3Settings) -> Store:
    """Where the camera's files land. Raises UserError where what it takes is not installed."""
    left_out = (DONE, ASIDE) if source.finished == "move" else ()
    if isinstance(source, LandedSettings):
        return FolderStore(source.path, source.files, left_out)
    try:
        from producers.landed.s3 import S3Store
    except ModuleNotFoundError as error:
        raise UserError(
            f"source.kind: s3 needs the package {error.name}: pip install 'onehertz[s3]'"
        ) from error
    client = partial(_client, "s3", source)
    return S3Store(client, source.bucket, source.prefix, source.files, left_out)


def _client(service: str, source: S3Settings) -> Any:
    from producers.landed.aws import client_of

    return client_of(service, source)
