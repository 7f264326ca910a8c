"""A bucket of S3, or of what speaks its language, in which files land."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar, cast

import smart_open
import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError

from producers.landed.stores import Found, StoreError, is_wanted
from producers.sources.files import VideoFile
from runtime.errors import UserError

T = TypeVar("T")

# Read at once: a request for each; FFmpeg itself asks for 32 kB.
_READ_BYTES = 1 << 20
_GONE = ("404", "NoSuchKey", "NotFound")
_OTHER = ("412", "PreconditionFailed")
# What it tries again is told by whoever it fails for.
logging.getLogger("smart_open").setLevel(logging.ERROR)


class S3Store:
    """The objects of a bucket whose keys begin with `prefix`; names are what comes after it."""

    def __init__(
        self,
        client: Callable[[], Any],
        bucket: str,
        prefix: str,
        patterns: Sequence[str],
        left_out: Sequence[str],
    ) -> None:
        """`client`: makes one of boto3, when it is first needed."""
        self._make_client = client
        self._made: Any = None
        self._bucket = bucket
        self._prefix = prefix
        self._patterns = patterns
        self._left_out = left_out

    def look(self) -> Iterator[Found]:
        """See `Store`: a request for each thousand objects."""
        with _told(self._bucket):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for item in page.get("Contents", ()):
                    name = item["Key"].removeprefix(self._prefix)
                    if self._is_wanted(name):
                        yield _found(name, item["ETag"], item["LastModified"])

    def look_at(self, name: str) -> Found | None:
        """See `Store`."""
        if not self._is_wanted(name):
            return None
        try:
            with _told(self._bucket):
                head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
        except _GoneError:
            return None
        return _found(name, head["ETag"], head["LastModified"])

    def is_being_written(self, name: str) -> bool:  # noqa: ARG002 - objects appear whole
        """See `Store`."""
        return False

    def file(self, found: Found) -> VideoFile:
        """See `Store`."""
        return S3File(self._client, self._bucket, self._prefix + found.name, found.version)

    def delete(self, name: str) -> None:
        """See `Store`."""
        with _told(self._bucket):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def move(self, name: str, folder: str, reason: str | None = None) -> None:
        """See `Store`: copied within S3, then deleted."""
        source, target = self._prefix + name, f"{self._prefix}{folder}/{name}"
        try:
            with _told(self._bucket):
                if reason is not None:
                    self._client.put_object(
                        Bucket=self._bucket, Key=f"{target}.reason.txt", Body=f"{reason}\n".encode()
                    )
                place = {"Bucket": self._bucket, "Key": source}
                self._client.copy(place, self._bucket, target)
        except _GoneError:
            return  # moved before
        self.delete(name)

    def _is_wanted(self, name: str) -> bool:
        return is_wanted(name, self._patterns, self._left_out)

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._make_client()
        return self._made


@dataclass(frozen=True, slots=True)
class S3File:
    """One version of an object, read as FFmpeg asks for it and never whole."""

    client: Any
    bucket: str
    key: str
    etag: str

    @property
    def identity(self) -> str:
        """The content's hash, as S3 keeps it, and the name: no byte is read for it."""
        return f"{self.key.rpartition('/')[2]}:{self.etag}"

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """See `VideoFile`. Raises StoreError where S3 fails, also if FFmpeg hides it."""
        with _told(self.bucket, str(self)):
            content = smart_open.open(
                f"s3://{self.bucket}/{self.key}",
                "rb",
                transport_params={
                    "client": self.client,
                    # Whole requests: an open one would be cut by S3 while the broker is away.
                    "buffer_size": _READ_BYTES,
                    "range_chunk_size": _READ_BYTES,
                    "defer_seek": True,
                    "client_kwargs": {"S3.Client.get_object": {"IfMatch": self.etag}},
                },
            )
        reading = _Reading(content, str(self))
        try:
            yield cast("BinaryIO", reading)
            reading.raise_failure()
        finally:
            content.close()

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class _Reading:
    """A file for FFmpeg, which takes an error of reading for the end of the file, or for damage."""

    def __init__(self, content: BinaryIO, name: str) -> None:
        self._content = content
        self._name = name
        self._failure: Exception | None = None

    def read(self, size: int) -> bytes:
        return self._do(lambda: self._content.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._do(lambda: self._content.seek(offset, whence))

    def tell(self) -> int:
        return self._do(self._content.tell)

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _do(self, what: Callable[[], T]) -> T:
        self.raise_failure()
        try:
            with _told(self._name, self._name):
                return what()
        except (StoreError, UserError) as error:
            self._failure = error
            raise


class _GoneError(UserError):
    """There is no such object."""


@contextmanager
def _told(place: str, file: str = "") -> Iterator[None]:
    """What boto3 and smart_open raise, as StoreError; as UserError where the object is gone."""
    try:
        yield
    except (BotoCoreError, ClientError, urllib3.exceptions.HTTPError, OSError) as error:
        refused = error if isinstance(error, ClientError) else error.__cause__  # smart_open wraps
        if not isinstance(refused, ClientError):
            # Its text may hold an address, and that may be signed.
            raise StoreError(f"{place}: S3 can't be reached: {type(error).__name__}") from error
        told = refused.response.get("Error", {})
        code = str(told.get("Code", ""))
        if code in _GONE:
            raise _GoneError(f"{file or place} is not there any more") from error
        if code in _OTHER:
            raise UserError(f"{file or place} was written anew while it was read") from error
        raise StoreError(f"{place}: S3 refuses: {code} {told.get('Message', '')}") from error


def _found(name: str, etag: str, changed: Any) -> Found:
    return Found(name, etag, round(changed.timestamp() * 1e6))
