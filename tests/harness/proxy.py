"""A TCP proxy between a Kafka client and its broker: cuts, refuses, delays, throttles, is silent.

Kafka clients follow the address that the broker tells them. In what the broker says the proxy's
address is put in place of the broker's, which is as long, so that no client finds a way around.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")
# Chunks, each with the moment of the loop's clock when it is due; None is the end.
_Queue = asyncio.Queue[tuple[float, bytes | None]]

HOST = "127.0.0.1"
_CHUNK_BYTES = 16_384
_QUEUED_CHUNKS = 64  # what is more than that waits at the sender, as on a real line
# By default megabytes would have left the sender that a throttled line has not taken.
_SOCKET_BYTES = 65_536
_AT_ONCE = struct.pack("ii", 1, 0)  # a socket that is closed so resets its connection
_WITHIN_S = 10.0


@dataclass
class Way:
    """One direction of each connection; to be changed at any time. None: as fast as it goes."""

    delay_s: float = 0.0
    bytes_per_s: float | None = None
    passed_bytes: int = 0


class Proxy:
    """In front of a broker of this machine. To be used by `with`: then `address` leads there."""

    def __init__(self, broker: str) -> None:
        """`broker`: 127.0.0.1 and its port."""
        self._broker_port = int(broker.removeprefix(f"{HOST}:"))
        self.up, self.down = Way(), Way()  # to the broker, from it
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._links: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Proxy:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.cut("close")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def address(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    def accept(self) -> None:
        """Listen; after `refuse`, at the same port."""
        self._run(self._accept())

    def refuse(self) -> None:
        """Nobody listens; what is open stays open."""
        self._run(self._refuse())

    def cut(self, how: Literal["reset", "close"] = "reset") -> int:
        """End all connections, by RST or by FIN. How many there were."""
        return self._run(self._cut(how))

    def fall_silent(self) -> None:
        """Connections stay open, new ones are let in, and nothing passes."""
        self._loop.call_soon_threadsafe(self._speaks.clear)

    def speak(self) -> None:
        """What was held back passes, and all that follows."""
        self._loop.call_soon_threadsafe(self._speaks.set)

    def _run(self, done: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(done, self._loop).result(_WITHIN_S)

    async def _accept(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
        listening.bind((HOST, self._port))
        self._port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._link, sock=listening, limit=_CHUNK_BYTES)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _cut(self, how: Literal["reset", "close"]) -> int:
        links = dict(self._links)
        for task, client in links.items():
            if how == "reset":
                client.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE
                )
                client.transport.abort()
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        return len(links)

    async def _link(self, asks: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """One connection, for as long as both ends hold it."""
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = answers
        writers = [answers]
        try:
            from_broker, to_broker = await asyncio.open_connection(HOST, self._broker_port)
            writers.append(to_broker)
            ours, brokers = _spelled(self._port), _spelled(self._broker_port)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(asks, to_broker, self.up))
                both.create_task(self._pass(from_broker, answers, self.down, (brokers, ours)))
        except* (OSError, asyncio.CancelledError):
            pass  # an end has gone, or the broker is away, or it was cut
        finally:
            for writer in writers:
                writer.close()
            del self._links[task]

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        way: Way,
        renamed: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        """One direction. Raises OSError when it ends."""
        queue: _Queue = asyncio.Queue(_QUEUED_CHUNKS)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(_take(source, way, queue, renamed))
            ends.create_task(self._give(queue, way, target))

    async def _give(self, queue: _Queue, way: Way, target: asyncio.StreamWriter) -> None:
        while True:
            due_s, chunk = await queue.get()
            await asyncio.sleep(due_s - self._loop.time())
            await self._speaks.wait()
            if chunk is None:
                raise ConnectionAbortedError("the other end is done")
            if way.bytes_per_s is not None:
                await asyncio.sleep(len(chunk) / way.bytes_per_s)
            target.write(chunk)
            await target.drain()
            way.passed_bytes += len(chunk)


async def _take(
    source: asyncio.StreamReader,
    way: Way,
    queue: _Queue,
    renamed: tuple[bytes, bytes],
) -> None:
    """What the source says goes into the queue, until it ends."""
    held = b""
    while chunk := await source.read(_CHUNK_BYTES):
        chunk, held = replaced(held + chunk, *renamed)
        await queue.put((asyncio.get_running_loop().time() + way.delay_s, chunk))
    await queue.put((asyncio.get_running_loop().time() + way.delay_s, None))


def replaced(data: bytes, old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """With `new` for `old`; and the end that may be the beginning of another `old`."""
    data = data.replace(old, new) if old else data
    for length in range(min(len(old) - 1, len(data)), 0, -1):
        if data.endswith(old[:length]):
            return data[:-length], data[-length:]
    return data, b""


def _spelled(port: int) -> bytes:
    """An address as the broker's answers have it."""
    return HOST.encode() + struct.pack(">i", port)
