"""How does a worker talk to Redis, and know when it cannot?

Two connections: one waits for control messages, the other sends replies, says hello and reads the
beat, all in one round trip. The client library's own retries are off, since a repeated XADD is a
duplicate and a retried blocking read hides an outage; this module reconnects by itself.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
import redis
from gevent.event import Event
from gevent.queue import Empty, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from contract import keys, signing
from contract.codec import ContractError, Message, decode, encode
from contract.messages import Hello, Plan, Prepare, Stop
from contract.redis_url import place
from contract.roster import M, RosterError, roster_of, seated
from workers.clock import NS_PER_S, RedisClock, monotonic_ns
from workers.outbox import Outbox, Reply
from workers.waiting import at_most

BLOCK_S = 2.0
ANSWER_S = 2.5
"""A round trip that takes longer has failed; one that a cut of 2 s held up has not."""
HELLO_S = 1.0
CALIBRATE_S = 1.0
EXCHANGES, EXCHANGES_S = 20, 1.0
"""The Redis clock is read so often at first, but no longer than that; then once in CALIBRATE_S."""
POLL_S, POLL_OF_MANY_S = 0.25, 1.0
"""The beat of a run is read at least this often; the second of runs of MANY_WORKERS and more."""
MANY_WORKERS = 200
BACKOFF_S = (0.05, 1.0)

log = logging.getLogger(__name__)

LinkLost = redis.RedisError
"""Redis does not answer as it should."""


def connect(url: str, *, answer_s: float = ANSWER_S) -> redis.Redis:
    """One connection that fails after `answer_s` and repeats nothing by itself."""
    return redis.Redis.from_url(
        url,
        socket_timeout=answer_s,
        socket_connect_timeout=ANSWER_S,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        retry_on_error=[],
        health_check_interval=0,
        protocol=2,
        max_connections=1,
        decode_responses=False,
    )


class Reader:
    """Reads the control stream from where it stood when the worker came, missing nothing."""

    def __init__(self, url: str, *, block_s: float = BLOCK_S) -> None:
        self._redis = connect(url, answer_s=block_s + ANSWER_S)
        self._block_ms = round(block_s * 1000)
        self._last: bytes | None = None

    def resume(self) -> None:
        """Find the place to read from; a Redis that forgot the stream starts it anew."""
        found: Any = self._redis.xrevrange(keys.CONTROL, count=1)
        newest: bytes = found[0][0] if found else b"0-0"
        if self._last is None or _order(newest) < _order(self._last):
            self._last = newest if self._last is None else b"0-0"

    def read(self) -> list[bytes]:
        """Messages that came; waits up to the blocking time for the first."""
        if self._last is None:
            self.resume()
        streams: dict[Any, Any] = {keys.CONTROL: self._last or b"0-0"}
        found: Any = self._redis.xread(streams, count=100, block=self._block_ms)
        messages = []
        for _, entries in found or ():
            for entry, fields in entries:
                self._last = entry
                messages.append(fields.get(b"m", b""))
        return messages

    def position(self, run: str, version: str, worker: str) -> int | None:
        """The worker's place in a roster; None when it has none."""
        found: Any = self._redis.hget(keys.roster(run, version), worker)
        return int(found) if found is not None and found.isdigit() else None

    def close(self) -> None:
        self._redis.close()


class Speaker:
    """Sends replies, says hello, reads the beat."""

    def __init__(self, url: str, clock: RedisClock) -> None:
        self._redis = connect(url)
        self._clock = clock

    def calibrate(self) -> None:
        """Measure the Redis clock: thoroughly while it is not known, else once more."""
        until_ns = monotonic_ns() + (0 if self._clock.known else round(EXCHANGES_S * NS_PER_S))
        for _ in range(EXCHANGES):
            before = monotonic_ns()
            seconds, us = self._redis.time()
            after = monotonic_ns()
            self._clock.calibrate([(before, int(seconds) * 1_000_000 + int(us), after)])
            if after >= until_ns:
                break

    def speak(
        self, replies: tuple[Reply, ...], hello: Hello | None, run: str | None, shard: int = 0
    ) -> bytes | None:
        """One round trip; gives the beat of `run`, whose replies go to `shard`."""
        pipe = self._redis.pipeline(transaction=False)
        streams = [keys.replies(r.run, shard if r.run == run else 0) for r in replies]
        for stream, reply in zip(streams, replies, strict=True):
            pipe.xadd(
                stream,
                {"m": encode(reply)},
                maxlen=keys.REPLIES_LENGTH,
                approximate=True,
            )
        for stream in dict.fromkeys(streams):
            pipe.expire(stream, keys.RUN_TTL_S)
        if hello is not None:
            seen_ms = self._clock.redis_us(monotonic_ns()) // 1000
            pipe.hset(keys.FLEET_HELLO, hello.worker, encode(hello))
            pipe.zadd(keys.FLEET_SEEN, {hello.worker: seen_ms})
        if run is not None:
            pipe.get(keys.beat(run))
        answers: list[Any] = pipe.execute() if len(pipe) else []
        return answers[-1] if run is not None else None

    def artefact(self, sha256: str) -> bytes | None:
        data: Any = self._redis.get(keys.artefact(sha256))
        return data if data is None else bytes(data)

    def forget(self, worker: str) -> None:
        """Take the worker out of the fleet."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrem(keys.FLEET_SEEN, worker)
        pipe.hdel(keys.FLEET_HELLO, worker)
        pipe.execute()

    def close(self) -> None:
        self._redis.close()


class Link:
    """Keeps both connections alive in greenlets of its own."""

    def __init__(self, url: str, clock: RedisClock, key: signing.FleetKey | None = None) -> None:
        self.run: str | None = None
        self.beat_ns = 0
        self._url = url
        self._reader = Reader(url)
        self._speaker = Speaker(url, clock)
        self._clock = clock
        self._outbox = Outbox()
        self._inbox: Queue[Message] = Queue()
        self._unread: deque[bytes] = deque()
        self._wanted = Event()
        self._listening = Event()
        self._door = signing.Door(key)
        self._shard, self._poll_s, self._worker = 0, POLL_S, ""
        self._beat: int | None = None
        self._hello: Callable[[], Hello] | None = None
        self._greenlets: list[gevent.Greenlet[..., None]] = []

    @property
    def alive(self) -> bool:
        """Both greenlets run; whether Redis answers them is another matter."""
        return not any(greenlet.dead for greenlet in self._greenlets)

    def start(self, hello: Callable[[], Hello]) -> None:
        """Connect, and go on connecting; `hello` is asked every second."""
        self._hello = hello
        self._greenlets = [
            gevent.spawn(self._forever, self._listen, "the control stream is lost"),
            gevent.spawn(self._forever, self._talk, "no replies can be sent"),
        ]

    def receive(self, timeout_s: float) -> Message | None:
        """The next control message; None when none came in time."""
        try:
            return self._inbox.get(timeout=timeout_s)
        except Empty:
            return None

    def send(self, reply: Reply) -> None:
        self._outbox.put(reply)
        self._wanted.set()

    def watch(self, run: str | None, position: int = 0, workers: int = 1) -> None:
        """Read the beats of `run` from now on; `beat_ns` is when the last new one came.

        The worker's `position` among the run's `workers` says where its replies go.
        """
        self._shard = keys.shard(position, workers)
        self._poll_s = POLL_S if workers <= MANY_WORKERS else POLL_OF_MANY_S
        if run != self.run:
            self.run, self.beat_ns = run, 0
        self._beat = None
        self._wanted.set()

    def artefact(self, sha256: str) -> bytes | None:
        """The bytes stored under `sha256`; raises LinkLost."""
        speaker = Speaker(self._url, self._clock)
        try:
            return speaker.artefact(sha256)
        finally:
            speaker.close()

    def close(self, worker: str, timeout_s: float) -> None:
        """Send what can still be sent within `timeout_s`, and leave the fleet."""
        gevent.killall(self._greenlets, timeout=timeout_s)
        speaker = Speaker(self._url, self._clock)
        with at_most(timeout_s):
            try:
                while len(self._outbox):
                    replies = self._outbox.take()
                    speaker.speak(replies, None, None)
                    self._outbox.confirm(len(replies))
                speaker.forget(worker)
            except (LinkLost, OSError) as error:
                log.warning("left without a word: Redis at %s: %s", place(self._url), error)
        for connection in (speaker, self._speaker, self._reader):
            connection.close()

    def _forever(self, work: Callable[[Callable[[], None]], None], trouble: str) -> None:
        """Do `work`, and again after each failure, longer and longer apart until it `succeeds`."""
        failures = 0

        def succeeds() -> None:
            nonlocal failures
            failures = 0

        while True:
            try:
                work(succeeds)
            except (LinkLost, OSError) as error:
                if not failures:
                    log.warning("%s: Redis at %s: %s", trouble, place(self._url), error)
                failures += 1
                _back_off(failures)

    def _listen(self, succeeds: Callable[[], None]) -> None:
        self._reader.resume()
        self._listening.set()
        while True:
            if not self._unread:
                self._unread.extend(self._reader.read())
            while self._unread:
                self._take(self._unread[0])  # which may ask Redis; nothing is lost if it is gone
                self._unread.popleft()
            succeeds()

    def _take(self, data: bytes) -> None:
        now_us = self._clock.redis_us(monotonic_ns()) if self._clock.known else None
        try:
            data, sent_us = self._door.control(data, now_us)
            message = decode(data)
            if isinstance(message, Prepare | Plan | Stop):
                message = self._seated(message)
                self._door.admit(message.run, sent_us)
            self._inbox.put(message)
        except (ContractError, RosterError, signing.Untrusted) as error:
            log.warning("a control message was ignored: %s", error)

    def _seated(self, message: M) -> M:
        known = roster_of(message)
        if known is None:
            return message
        position = self._reader.position(message.run, known[0], self._worker)
        return seated(message, self._worker, position)

    def _talk(self, succeeds: Callable[[], None]) -> None:
        """Speak until the connection fails; nothing before the control stream is read."""
        self._listening.wait()
        hello_due_ns = calibrate_due_ns = 0
        while True:
            now_ns = monotonic_ns()
            if now_ns >= calibrate_due_ns:
                self._speaker.calibrate()
                calibrate_due_ns = now_ns + round(CALIBRATE_S * NS_PER_S)
            hello = None
            if now_ns >= hello_due_ns and self._hello is not None:
                hello = self._hello()
                self._worker = hello.worker
                hello_due_ns = now_ns + round(HELLO_S * NS_PER_S)
            self._wanted.clear()
            replies, run = self._outbox.take(), self.run
            beat = self._speaker.speak(replies, hello, run, self._shard)
            self._outbox.confirm(len(replies))
            self._see(run, beat)
            succeeds()
            if not len(self._outbox):
                self._wanted.wait(self._poll_s)

    def _see(self, run: str | None, beat: bytes | None) -> None:
        if run is None or run != self.run or beat is None:
            return
        number = self._door.beat(run, beat)
        if number is not None and (self._beat is None or number > self._beat):
            self._beat = number
            self.beat_ns = monotonic_ns()


def _order(entry: bytes) -> tuple[int, int]:
    ms, _, sequence = entry.partition(b"-")
    return int(ms), int(sequence or 0)


def _back_off(attempts: int) -> None:
    """Wait longer after each failure, by a random part, so that a fleet does not come at once."""
    least, most = BACKOFF_S
    gevent.sleep(random.uniform(0.5, 1.0) * min(most, least * 2 ** min(attempts, 10)))
