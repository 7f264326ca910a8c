"""The proxy does to a connection what a test asks of it, and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.proxy import Proxy, replaced
from tests.waiting import eventually


class Echo:
    """Sends back what it is sent."""

    def __enter__(self) -> Echo:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection: socket.socket) -> None:
        with connection:
            try:
                while said := connection.recv(65_536):
                    connection.sendall(said)
            except OSError:
                return


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Echo() as echo, Proxy(echo.address) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connected(proxy) as client:
        assert said_back(client, b"hello") == b"hello"
        yield client


def connected(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def said_back(client: socket.socket, said: bytes) -> bytes:
    client.sendall(said)
    heard = b""
    while len(heard) < len(said) and (part := client.recv(65_536)):
        heard += part
    return heard


def test_what_is_said_passes_as_it_is(client: socket.socket, proxy: Proxy) -> None:
    long = bytes(range(256)) * 1000
    assert said_back(client, long) == long
    passed = len(long) + len(b"hello")
    eventually(lambda: proxy.up.passed_bytes == proxy.down.passed_bytes == passed)


def test_a_cut_is_a_reset_or_a_clean_end_as_wished(client: socket.socket, proxy: Proxy) -> None:
    assert proxy.cut("reset") == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with connected(proxy) as second:
        assert said_back(second, b"again") == b"again"
        assert proxy.cut("close") == 1
        assert second.recv(1) == b""
    assert proxy.connections == 0


def test_who_is_refused_can_come_again_when_he_is_not(client: socket.socket, proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    assert said_back(client, b"open") == b"open"
    proxy.accept()
    with connected(proxy) as second:
        assert said_back(second, b"again") == b"again"


def test_a_delay_is_of_each_word_and_not_of_one_after_the_other(
    client: socket.socket, proxy: Proxy
) -> None:
    proxy.up.delay_s = proxy.down.delay_s = 0.1
    began_s = time.monotonic()
    for _ in range(5):
        client.sendall(b"word")
    heard = b""
    while len(heard) < 20:
        heard += client.recv(64)
    assert 0.2 <= time.monotonic() - began_s < 0.9


def test_a_throttled_way_takes_its_time(client: socket.socket, proxy: Proxy) -> None:
    proxy.up.bytes_per_s = 200_000
    began_s = time.monotonic()
    said_back(client, bytes(40_000))
    assert time.monotonic() - began_s >= 0.19
    proxy.up.bytes_per_s = None
    said_back(client, bytes(4_000_000))


def test_in_silence_all_is_open_and_nothing_passes(client: socket.socket, proxy: Proxy) -> None:
    proxy.fall_silent()
    with connected(proxy) as second:
        for one in (client, second):
            one.sendall(b"held")
            one.settimeout(0.05)
            with pytest.raises(TimeoutError):
                one.recv(64)
            one.settimeout(10)
        proxy.speak()
        assert client.recv(64) == second.recv(64) == b"held"


def test_it_ends_with_its_broker_away() -> None:
    with Echo() as echo:
        address = echo.address
    with Proxy(address) as proxy, connected(proxy) as client:
        assert client.recv(1) == b""
        eventually(lambda: proxy.connections == 0)


@given(st.lists(st.binary(max_size=6)), st.sampled_from([b"ab", b"aab", b"\0\0\1"]))
def test_an_address_is_replaced_however_it_is_cut_into_chunks(
    chunks: list[bytes], old: bytes
) -> None:
    chunks = [chunk.replace(b"\2", old) for chunk in chunks]
    new = bytes(byte ^ 0xFF for byte in old)
    passed, held = b"", b""
    for chunk in chunks:
        done, held = replaced(held + chunk, old, new)
        passed += done
    assert passed + held == b"".join(chunks).replace(old, new)
