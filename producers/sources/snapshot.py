"""A camera that is asked for a JPEG over HTTP, once for each tick."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from producers.live.arrivals import Arrival, Demand
from producers.sources.base import SourceError
from producers.sources.stream import passed_on

MOST_BYTES = 32_000_000  # of one picture; an 8K JPEG has 10 MB
_CHUNK_BYTES = 1 << 16


class SnapshotSource:
    """A live source. `url`: without user and password; `clock`: µs, monotonic."""

    def __init__(
        self,
        url: str,
        credentials: tuple[str | None, str | None],
        connect_timeout_s: float,
        read_timeout_s: float,
        clock: Callable[[], int],
    ) -> None:
        self.codec: str | None = "mjpeg"
        self._url = url
        self._credentials = credentials
        self._timeout = connect_timeout_s, read_timeout_s
        self._clock = clock

    def arrivals(self, demand: Demand) -> Generator[Arrival | None]:
        """See `LiveSource`: a picture each time that one is wanted, over one connection."""
        with requests.Session() as session:
            while demand.wait():
                jpeg = self._fetch(session)
                yield Arrival(self._clock(), partial(passed_on, jpeg))

    def _fetch(self, session: requests.Session) -> bytes:
        try:
            return self._read(session)
        except requests.exceptions.ConnectTimeout as error:
            raise SourceError("unreachable", "no answer in time") from error
        except requests.exceptions.Timeout as error:
            raise SourceError("stalled", "the connection is open and nothing comes") from error
        except requests.exceptions.ConnectionError as error:
            if _refused(error):
                raise SourceError("refused", "nobody listens at that port") from error
            raise SourceError("unreachable", "no connection") from error
        except requests.exceptions.RequestException as error:
            # Its text may hold the address.
            raise SourceError("unreachable", f"not HTTP: {type(error).__name__}") from error

    def _read(self, session: requests.Session) -> bytes:
        request = partial(session.get, self._url, timeout=self._timeout, stream=True)
        with request(auth=session.auth) as response:
            if response.status_code != requests.codes.unauthorized:
                return _body(response)
            session.auth = self._answer_to(response)
        with request(auth=session.auth) as response:
            return _body(response)

    def _answer_to(self, response: requests.Response) -> AuthBase:
        """What the camera asks for: digest or basic. Raises SourceError where we have none."""
        user, password = self._credentials
        if user is None:
            raise SourceError("wrong-password", "the camera asks for a user and a password")
        asked = response.headers.get("www-authenticate", "").lower()
        kind = HTTPDigestAuth if "digest" in asked else HTTPBasicAuth
        return kind(user, password or "")


def _body(response: requests.Response) -> bytes:
    if response.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
        raise SourceError("wrong-password", "user or password is wrong")
    if response.status_code != requests.codes.ok:
        raise SourceError("refused", f"the camera answers with HTTP {response.status_code}")
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > MOST_BYTES:
            raise SourceError("undecodable", f"more than {MOST_BYTES:,} bytes")
    return bytes(body)


def _refused(error: BaseException | None) -> bool:
    """Whether a refused connection is what lies behind an error of requests."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False
