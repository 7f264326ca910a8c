"""`/healthz`, `/readyz` and `/metrics` of one process.

Alive: the role's loop still moves; a process that is not should be restarted. Ready: it is alive,
its group has told it which partitions are its own (none, for a spare process), and it makes
progress or has nothing to do; waiting for a database or a broker is no progress, and no reason for
a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from runtime.errors import UserError
from runtime.metrics import Metrics
from runtime.settings import Section

log = logging.getLogger("onehertz.health")


class HealthSettings(Section):
    """Where a role answers for its health."""

    host: str = Field("127.0.0.1", description="Address that the health port listens on.")
    port: int | None = Field(
        None, ge=0, le=65_535, description="Port of /healthz, /readyz, /metrics; 0: any free one."
    )
    stalled_after_s: float = Field(
        60.0, gt=0, description="Without a sign of life for this long, a role is not alive."
    )


class Health:
    """What a role's loop says of itself. `clock` gives monotonic seconds."""

    def __init__(self, stalled_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stalled_after_s = stalled_after_s
        self._clock = clock
        self._beat_at = self._progress_at = clock()
        self.assigned = False  # whether the group (or the settings) has said what is ours

    def beat(self, *, progressed: bool, waiting_for_work: bool) -> None:
        """The loop has come round: did it finish something, or was there nothing to do?"""
        now = self._clock()
        self._beat_at = now
        if progressed or waiting_for_work:
            self._progress_at = now

    def alive(self) -> tuple[bool, str]:
        silent_s = self._clock() - self._beat_at
        if silent_s > self._stalled_after_s:
            return False, f"the loop has not moved for {silent_s:.0f} s"
        return True, "alive"

    def ready(self) -> tuple[bool, str]:
        alive, why = self.alive()
        if not alive:
            return False, why
        if not self.assigned:
            return False, "nothing is assigned to this process yet"
        stuck_s = self._clock() - self._progress_at
        if stuck_s > self._stalled_after_s:
            return False, f"there is work, and none was finished for {stuck_s:.0f} s"
        return True, "ready"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A prober that hangs up is no event; by default a traceback goes to standard error."""
        log.debug("a health probe was cut off", exc_info=True)


class HealthServer:
    """Serves a role's health over HTTP until `close`."""

    def __init__(self, settings: HealthSettings, health: Health, metrics: Metrics) -> None:
        """Listen. Raises UserError where the port is taken."""
        try:
            self._server = _Server((settings.host, settings.port or 0), _handler(health, metrics))
        except OSError as error:
            raise UserError(
                f"health.port: can't listen on {settings.host}:{settings.port}: {error.strerror}; "
                "choose another port, or 0 for any free one"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="health", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(health: Health, metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/healthz":
                    self._answer(*health.alive())
                case "/readyz":
                    self._answer(*health.ready())
                case "/metrics":
                    self._send(200, generate_latest(metrics.registry), CONTENT_TYPE_LATEST)
                case _:
                    self._send(404, b"/healthz, /readyz or /metrics\n", "text/plain")

        def _answer(self, good: bool, why: str) -> None:
            self._send(200 if good else 503, f"{why}\n".encode(), "text/plain")

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds: not worth a line."""

    return Handler
