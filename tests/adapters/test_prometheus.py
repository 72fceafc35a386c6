"""What is read from a page of metrics over HTTP, and what is refused?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from controller.adapters import prometheus
from controller.adapters.prometheus import PrometheusSignals, PrometheusSignalsOf, wanted
from controller.errors import SignalsUnreadable
from controller.search.goal import SignalSource
from controller.search.presets import PRESETS
from controller.sim.clock import VirtualClock
from deploy.demo.batching import Timing
from deploy.demo.measured import Measured
from tests.helpers.builders import a_goal

pytestmark = pytest.mark.anyio

Answer = Callable[[bytes], bytes]
"""The whole response to a whole request."""

TRITON = """\
# HELP nv_inference_request_success Number of successful inference requests
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="ranker",version="1"} %d
# TYPE nv_inference_count counter
nv_inference_count{model="ranker",version="1"} %d
# TYPE nv_inference_exec_count counter
nv_inference_exec_count{model="ranker",version="1"} %d
# TYPE nv_inference_queue_duration_us counter
nv_inference_queue_duration_us{model="ranker",version="1"} %d
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="ranker",version="1"} 7
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-a"} 0.5
nv_gpu_utilization{gpu_uuid="GPU-b"} 0.75
"""
VLLM = """\
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 3.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.91
# TYPE vllm:num_preemptions_total counter
vllm:num_preemptions_total{engine="0",model_name="m"} %d
# TYPE vllm:request_queue_time_seconds histogram
vllm:request_queue_time_seconds_bucket{le="0.3",model_name="m"} 1.0
vllm:request_queue_time_seconds_sum{model_name="m"} %f
vllm:request_queue_time_seconds_count{model_name="m"} %d
"""
TORCHSERVE = """\
# TYPE ts_inference_requests_total counter
ts_inference_requests_total{model_name="vision",} %d
# TYPE ts_queue_latency_microseconds counter
ts_queue_latency_microseconds{model_name="vision",} %d
# TYPE GPUUtilization gauge
GPUUtilization{Level="Host",DeviceId="0",} 63.0
"""
DCGM = """\
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",modelName="NVIDIA A100"} 97
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{gpu="0"} 300.5
DCGM_FI_DEV_POWER_USAGE{gpu="1"} 99.5
"""


def page(text: str, status: str = "200 OK", extra: str = "") -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """A server on a free port; the URL of its page."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"
    finally:
        server.close()


async def read_twice(urls: tuple[str, ...], metrics: dict[str, str]) -> dict[str, float]:
    """What the second look tells, two seconds after the first."""
    clock = VirtualClock()
    signals = PrometheusSignals(SignalSource(urls, tuple(metrics.items())), clock)
    try:
        await signals.read()
        await clock.sleep(2.0)
        return dict(await signals.read())
    finally:
        await signals.close()


def in_turn(*texts: str) -> Answer:
    """A page that changes with every look."""
    left = list(texts)
    return lambda _: page(left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize(
    ("preset", "texts", "values"),
    [
        (
            "triton",
            (TRITON % (100, 100, 50, 10_000), TRITON % (300, 300, 100, 1_010_000)),
            {"gpu_utilization": 0.75, "queue_depth": 7.0, "queue_time": 0.005, "batch_size": 4.0},
        ),
        (
            "vllm",
            (VLLM % (3, 1.0, 10), VLLM % (7, 2.0, 30)),
            {"queue_depth": 3.0, "kv_cache_usage": 0.91, "preemptions": 2.0, "queue_time": 0.05},
        ),
        (
            "torchserve",
            (TORCHSERVE % (10, 1_000), TORCHSERVE % (20, 21_000)),
            {"gpu_utilization": 0.63, "queue_time": 0.002},
        ),
        ("dcgm", (DCGM, DCGM), {"gpu_utilization": 0.97, "power": 400.0}),
    ],
)
async def test_a_preset_reads_what_its_server_exposes(
    preset: str, texts: tuple[str, str], values: dict[str, float]
) -> None:
    async with serving(in_turn(*texts)) as url:
        seen = await read_twice((url,), dict(PRESETS[preset].metrics))
    assert seen == pytest.approx(values)


async def test_the_demo_target_tells_how_busy_it_is() -> None:
    timing, measured = Timing(0.02, 0.0025, 16), Measured()
    before = measured.exposition(timing, queued=0, in_flight=0)
    for _ in range(40):
        measured.batch(8, 0.04, warm=True)
    after = measured.exposition(timing, queued=5, in_flight=13)
    async with serving(in_turn(before, after)) as url:
        seen = await read_twice((url,), dict(PRESETS["demo"].metrics))
    assert seen == pytest.approx(
        {"utilization": 0.8, "queue_depth": 5.0, "running": 13.0, "batch_size": 8.0}
    )


async def test_replicas_are_read_side_by_side_and_make_one_number() -> None:
    one, two = ("depth 3\nused 0.5\n", "depth 4\nused 0.9\n")
    async with serving(in_turn(one)) as first, serving(in_turn(two)) as second:
        seen = await read_twice((first, second), {"depth": "sum(depth)", "used": "used"})
    assert seen == {"depth": 7.0, "used": 0.9}


async def test_what_is_no_number_or_not_there_is_left_out() -> None:
    async with serving(in_turn("used NaN\nroom 4\n")) as url:
        assert await read_twice((url,), {"used": "used", "room": "room", "x": "x"}) == {"room": 4.0}


async def test_only_lines_of_wanted_names_are_parsed() -> None:
    text = '# TYPE used gauge\n# HELP used Used.\nused{a="b"} 1\nbroken line here\nused_not 2\n'
    assert wanted(text, frozenset({"used"})) == '# TYPE used gauge\nused{a="b"} 1\n'


async def refused(url: str, allowed: frozenset[str] = frozenset()) -> str:
    signals = PrometheusSignals(SignalSource((url,), (("x", "x"),)), VirtualClock(), allowed)
    try:
        with pytest.raises(SignalsUnreadable) as unreadable:
            await signals.read()
    finally:
        await signals.close()
    return str(unreadable.value)


async def test_a_redirect_is_not_followed() -> None:
    asked = []

    def elsewhere(_: bytes) -> bytes:
        asked.append(1)
        return page("", "302 Found", "Location: http://127.0.0.1:1/secrets\r\n")

    async with serving(elsewhere) as url:
        assert "answers with status 302" in await refused(url)
    assert len(asked) == 1


async def test_no_more_is_read_than_a_page_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "PAGE_MAX_BYTES", 1024**2)
    async with serving(lambda _: page("x 1\n" * 300_000)) as url:
        assert "has more than 1 MiB" in await refused(url)


async def test_a_target_that_is_gone_is_named() -> None:
    async with serving(in_turn("x 1\n")) as url:
        pass
    assert await refused(url) == f"{url} does not answer: ConnectError"


async def test_a_page_that_is_something_else_is_told_of() -> None:
    async with serving(in_turn("x {{{ 1\n")) as url:
        assert "is not Prometheus text" in await refused(url)


async def test_a_host_that_goals_may_not_name_is_not_asked() -> None:
    assert "is not an allowed target" in await refused("http://192.0.2.1:9100/metrics")
    assert "is not a URL" in await refused("http://:9100/metrics", frozenset({"192.0.2.1:9100"}))


async def test_nothing_is_sent_but_the_question() -> None:
    heads: list[bytes] = []

    def answer(request: bytes) -> bytes:
        heads.append(request)
        return page("x 1\n")

    async with serving(answer) as url:
        source = SignalSource((url,), (("x", "x"),))
        goal = a_goal(signals=source, headers=(("Authorization", "${TOKEN}"),))
        signals = PrometheusSignalsOf(VirtualClock())(goal)
        assert signals is not None
        assert await signals.read() == {"x": 1.0}
        await signals.close()
    (head,) = heads
    assert head.startswith(b"GET /metrics HTTP/1.1\r\n")
    assert b"uthorization" not in head
    assert b"ncoding: identity" in head


async def test_a_goal_without_signals_has_nothing_to_read() -> None:
    assert PrometheusSignalsOf(VirtualClock())(a_goal()) is None
