"""What does the target say of itself, in the text format of Prometheus?

Pages are fetched side by side, each by one GET: no redirect is followed, no proxy of the
environment is asked, and no more than 4 MiB are read. Only hosts that goals may name are asked,
here again because a run outlives the controller that accepted it. Only lines of wanted names are
parsed: a page of an LLM server has thousands.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from contract.address import AddressError, is_allowed
from controller.errors import SignalsUnreadable
from controller.ports import Clock
from controller.search.goal import Goal, SignalSource
from controller.search.patterns import Labels, Pattern, Scrape, parse_pattern, value_of
from controller.search.signals import source_of

PAGE_MAX_BYTES = 4 * 1024 * 1024
FETCH_WITHIN_S = 0.8
_HEADERS = {
    "Accept": "text/plain;version=0.0.4",
    "Accept-Encoding": "identity",  # what is counted is then what comes
    "User-Agent": "tonnage",
}
_PAGE = "tonnage_page"
"""Label that tells series of one replica from those of another."""


class PrometheusSignalsOf:
    """Makes the signals of a run; `allowed` are HOST:PORT beside loopback."""

    def __init__(self, clock: Clock, allowed: Iterable[str] = ()) -> None:
        self._clock = clock
        self._allowed = frozenset(entry.lower() for entry in allowed)

    def __call__(self, goal: Goal) -> PrometheusSignals | None:
        source = source_of(goal)
        if source is None:
            return None
        return PrometheusSignals(source, self._clock, self._allowed)


class PrometheusSignals:
    """The Signals port over HTTP."""

    def __init__(
        self,
        source: SignalSource,
        clock: Clock,
        allowed: frozenset[str] = frozenset(),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._urls = source.urls
        self._patterns = {name: parse_pattern(text) for name, text in source.metrics}
        self._names = frozenset(n for p in self._patterns.values() for n in p.names)
        self._clock = clock
        self._allowed = allowed
        self._before: Scrape | None = None
        self._client = httpx.AsyncClient(
            timeout=FETCH_WITHIN_S,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
            headers=_HEADERS,
        )

    async def read(self) -> Mapping[str, float]:
        """The signals that can be told now."""
        pages = await asyncio.gather(*(self._page(url) for url in self._urls))
        now = scrape_of(pages, self._names, float(self._clock.now()))
        before, self._before = self._before, now
        return _values(self._patterns, now, before)

    async def close(self) -> None:
        await self._client.aclose()

    async def _page(self, url: str) -> str:
        self._check(url)
        body = bytearray()
        try:
            async with self._client.stream("GET", url) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise SignalsUnreadable(f"{url} answers with status {answer.status_code}")
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > PAGE_MAX_BYTES:
                        limit = f"{PAGE_MAX_BYTES // 1024**2} MiB"
                        raise SignalsUnreadable(f"{url} has more than {limit}")
        except httpx.HTTPError as error:
            raise SignalsUnreadable(f"{url} does not answer: {type(error).__name__}") from error
        return body.decode("utf-8", "replace")

    def _check(self, url: str) -> None:
        try:
            allowed = is_allowed(url, self._allowed)
        except AddressError as error:
            raise SignalsUnreadable("signals.url is not a URL of a host and a port") from error
        if not allowed:
            raise SignalsUnreadable(f"{url} is not an allowed target of this controller")


def scrape_of(pages: Iterable[str], names: frozenset[str], at_s: float) -> Scrape:
    """The series of `names` on all pages.

    Raises:
        SignalsUnreadable: a page is not in the text format.
    """
    series: dict[str, dict[Labels, float]] = {}
    counters = set()
    for number, page in enumerate(pages):
        try:
            families = list(text_string_to_metric_families(wanted(page, names)))
        except (ValueError, KeyError, IndexError) as error:
            raise SignalsUnreadable(f"page {number + 1} is not Prometheus text") from error
        for family in families:
            for sample in family.samples:
                labels = (*sorted(sample.labels.items()), (_PAGE, str(number)))
                # The parser ends the names of all counters in _total, those that do not, too.
                spelt = {sample.name, sample.name.removesuffix("_total")}
                for name in names & (spelt if family.type == "counter" else {sample.name}):
                    if math.isfinite(sample.value):
                        series.setdefault(name, {})[labels] = float(sample.value)
                    if family.type == "counter":
                        counters.add(name)
    return Scrape(at_s, series, frozenset(counters))


def wanted(page: str, names: frozenset[str]) -> str:
    """The lines of a page that are about `names`, with their types."""
    lines = [line for line in page.splitlines() if _is_wanted(line, names)]
    return "\n".join((*lines, ""))


def _is_wanted(line: str, names: frozenset[str]) -> bool:
    if line.startswith("# TYPE "):
        family = line[7:].split(" ", 1)[0]
        return any(name.startswith(family) for name in names)
    name = line.split("{", 1)[0].split(" ", 1)[0]
    return name in names or name.removesuffix("_total") in names


def _values(
    patterns: Mapping[str, Pattern], now: Scrape, before: Scrape | None
) -> dict[str, float]:
    found = {name: value_of(pattern, now, before) for name, pattern in patterns.items()}
    return {name: value for name, value in found.items() if value is not None}
