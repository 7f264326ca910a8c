"""One file over HTTPS, continued where it broke off (RFC 9110, section 14: range requests)."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from onehertz.assets.sources import Refused, SourceFailed

_CHUNK_BYTES = 1 << 16
# A connection that breaks after giving something is taken up again this often.
_MAX_CONNECTIONS = 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def download(
    url: str,
    partial: Path,
    size_bytes: int,
    *,
    timeout_s: float,
    reached: Callable[[int], None],
) -> None:
    """Complete `partial` to exactly `size_bytes`, continuing behind what it holds already.

    Proxies and certificates come from the environment, as usual with urllib. `timeout_s` bounds
    connecting and each wait for more bytes. Raises SourceFailed; what `partial` holds by then stays
    for another attempt.
    """
    partial.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(_MAX_CONNECTIONS):
        before = _size(partial)
        if before > size_bytes:
            partial.unlink()
            before = 0
        ended_by = _continue(url, partial, size_bytes, timeout_s=timeout_s, reached=reached)
        after = _size(partial)
        if after == size_bytes:
            return
        if after <= before:
            came = f"only {after} of {size_bytes} bytes" if after else "nothing"
            raise SourceFailed(f"{came} came: {ended_by}")
    raise SourceFailed(f"the transfer broke off {_MAX_CONNECTIONS} times")


def _continue(
    url: str,
    partial: Path,
    size_bytes: int,
    *,
    timeout_s: float,
    reached: Callable[[int], None],
) -> str:
    """One connection's worth of bytes; returns what ended it."""
    have = _size(partial)
    if have == size_bytes:
        return "nothing was missing"
    headers = {"User-Agent": "onehertz", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - https by HttpsSource
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            have = _agree_on_start(response, have, size_bytes)
            with partial.open("ab") as file:
                file.truncate(have)
                _copy(response, file.write, have, size_bytes, reached)
        return "the connection was closed early"
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceFailed(f"answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        return _reason(error)


def _agree_on_start(response: http.client.HTTPResponse, have: int, size_bytes: int) -> int:
    """The position of the body's first byte. Raises SourceFailed if the whole has another size."""
    total = response.headers.get("Content-Length")
    start = 0
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != have:
            raise SourceFailed("answered with another range than asked for")
        start, total = have, found[2]
    # A login page or a moved file betrays itself here, before any byte of it is kept.
    if total is not None and total != "*" and int(total) != size_bytes:
        raise Refused(f"refused: has {total} bytes there, must be {size_bytes}")
    return start


def _copy(
    response: http.client.HTTPResponse,
    write: Callable[[bytes], object],
    have: int,
    size_bytes: int,
    reached: Callable[[int], None],
) -> None:
    while chunk := response.read1(_CHUNK_BYTES):
        have += len(chunk)
        if have > size_bytes:
            raise Refused(f"refused: gives more than {size_bytes} bytes")
        write(chunk)
        reached(have)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    return str(inner or error) or type(error).__name__
