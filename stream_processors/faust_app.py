"""Faust's corners: the app as the gate needs it, and what Faust keeps to itself.

Faust's own way from a fetch to an agent takes two tasks, a queue and an iterator per message, and
`noack_take` wakes up 50 times a second whatever comes. Here an agent gets what was fetched as it
came. Measured in turn on a busy machine: a gate that gets a frame a second takes 18 instead of 38
ms of CPU a second; benchmarks/stock.py has the cost under load.
(faust-streaming 0.15.3, mode-streaming 0.7.1, aiokafka 0.14.0: pinned.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, cast

import faust
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from runtime.kafka import KafkaSettings


class Fetched(NamedTuple):
    """Messages (aiokafka's ConsumerRecord) in the order of their partitions."""

    generation: int  # of the group, when they were fetched
    messages: list[Any]


class _Consumer(driver.Consumer):
    """Hands over whole fetches, through `app.fetched`."""

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped = self._stopped.is_set
        try:
            while not (stopped() or fetcher._stopped.is_set()):
                records, active = await self._wait_next_records(1.0)
                if records and self.flow_active:
                    await self._hand_over(records, active or set())
                await asyncio.sleep(0)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _hand_over(self, records: Mapping[TP, list[Any]], active: set[TP]) -> None:
        fetched = Fetched(self.app.consumer_generation_id, [])
        for place, found in records.items():
            next_offset = self._read_offset[place] or 0
            if place in active:
                fetched.messages.extend(one for one in found if one.offset >= next_offset)
                self._read_offset[place] = found[-1].offset
        # What is not handed over when a rebalance begins is read again after it.
        await self.wait_first(cast(App, self.app).fetched.put(fetched), self.suspend_flow.wait())


class App(faust.App):
    """One agent that gets what is fetched of some topics.

    Without tables on disk, so without folders for them: each kill would leave some.
    """

    fetched: Any  # the channel between the consumer and the agent

    def _create_directories(self) -> None:
        pass

    def read(self, topics: Collection[str]) -> Any:
        """The channel of what is fetched, as Fetched, for an agent. Call it once."""
        cast(Any, self.transport).Consumer = _Consumer
        both = self.topic(
            *topics, key_type=bytes, value_type=bytes, key_serializer="raw",
            value_serializer="raw", acks=False,
        )  # fmt: skip
        self.topics.add(both)  # so that they are subscribed to
        self.fetched = self.channel(maxsize=1)
        return self.fetched


def faust_app(group: str, kafka: KafkaSettings) -> App:
    session_s = kafka.session_timeout_ms / 1000
    return App(
        group,
        broker=[f"kafka://{server}" for server in kafka.bootstrap_servers.split(",")],
        **_credentials(kafka),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        # Faust's own assignor. With 0, and no tables, Faust takes aiokafka's round robin instead.
        table_standby_replicas=1,
        # Only for the moment between assignment and our commit of where to start. A jump later on,
        # because retention was faster than we, is noticed in `_take`.
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_max_poll_records=100,  # frames of 30 to 500 kB, in three fetches at most
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(1.0, session_s / 3),
        broker_request_timeout=max(30.0, session_s + 5),
        broker_rebalance_timeout=30.0,
        stream_wait_empty=False,
        origin="stream_processors",
    )


def _credentials(kafka: KafkaSettings) -> dict[str, Any]:
    """Faust's own form of the connection's settings."""
    if kafka.security_protocol == "PLAINTEXT":
        return {}
    import ssl

    from faust import auth
    from faust.types.auth import SASLMechanism

    from runtime.settings import reveal

    context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
    if kafka.security_protocol == "SSL":
        return {"broker_credentials": auth.SSLCredentials(context)}
    password = reveal(kafka.sasl_password, kafka.sasl_password_file, "kafka.sasl_password")
    return {
        "broker_credentials": auth.SASLCredentials(
            username=kafka.sasl_username,
            password=password,
            mechanism=SASLMechanism(kafka.sasl_mechanism),
            ssl_context=context if kafka.security_protocol == "SASL_SSL" else None,
        )
    }


def _aiokafka(app: faust.App) -> Any:
    """The aiokafka consumer inside Faust's (faust-streaming 0.15.3, aiokafka 0.14.0: pinned)."""
    return consumer_thread(app)._ensure_consumer()


def consumer_thread(app: faust.App) -> Any:
    return app.consumer._thread  # type: ignore[attr-defined] # Faust's interface hides it


def member_id(app: faust.App) -> str:
    return str(_aiokafka(app)._coordinator.member_id)


def rejoin(app: faust.App) -> None:
    coordinator = _aiokafka(app)._coordinator
    consumer_thread(app).thread_loop.call_soon_threadsafe(coordinator.request_rejoin)


def mend_seeking(app: faust.App) -> None:
    """Make "seek to what is committed" mean it for the offset 0 too.

    aiokafka leaves such a partition where it is. What Faust had fetched of it during a rebalance,
    and thrown away, never came again: seen as lost records and as a partition that stood still, in
    3 of 8 runs in which a gate was killed before its first snapshot.
    """
    consumer = _aiokafka(app)
    if isinstance(consumer.seek_to_committed, _SeekToCommitted):
        return
    consumer.seek_to_committed = _SeekToCommitted(consumer)


class _SeekToCommitted:
    """In place of the method of an aiokafka consumer; runs in the consumer's thread."""

    def __init__(self, consumer: Any) -> None:
        self._seek = consumer.seek
        self._seek_to_committed = consumer.seek_to_committed

    async def __call__(self, *partitions: Any) -> Any:
        found = await self._seek_to_committed(*partitions)
        for place, offset in found.items():
            if offset == 0:
                self._seek(place, 0)
        return found


def tune_fetcher(app: faust.App) -> None:
    """At a low rate, one fetch per message costs 3.1 ms of CPU; waiting 100 ms for more, 0.8."""
    fetcher = _aiokafka(app)._fetcher
    fetcher._fetch_min_bytes = 1024 * 1024
    fetcher._fetch_max_wait_ms = 100
