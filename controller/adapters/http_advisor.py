"""How is an advisor asked over HTTP, so that nothing it does can harm the run or reach elsewhere?

One POST of JSON a consultation, no redirect followed, no proxy taken from the environment, at most
ADVICE_TIMEOUT_S and ANSWER_BYTES. The host must be loopback or on the operator's list, as a
target's; that is looked at again here, for a goal may be older than the list. Nothing of an answer
is repeated in a fault but its length, status and rates.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import httpx

from contract.address import AddressError, host_port, is_loopback
from controller.search.advice import (
    ADVICE_TIMEOUT_S,
    EXPECTED,
    Advice,
    Consult,
    question,
    read,
    wrong,
)
from controller.search.goal import Goal

ANSWER_BYTES = 64 * 1024


class _TooLarge(Exception):
    """The answer goes on beyond ANSWER_BYTES."""


class HttpAdvisor:
    """The RateAdvisor port; `allowed` are HOST:PORT beside loopback."""

    def __init__(self, allowed: Iterable[str], timeout_s: float = ADVICE_TIMEOUT_S) -> None:
        self._allowed = frozenset(entry.lower() for entry in allowed)
        self._timeout_s = timeout_s

    async def advise(self, run: str, goal: Goal, consult: Consult) -> Advice:
        refused = self._refusal(consult.url)
        if refused is not None:
            return Advice(fault=refused)
        try:
            async with asyncio.timeout(self._timeout_s):
                status, body = await self._posted(
                    consult.url, json.dumps(question(run, goal.name, consult))
                )
        except TimeoutError:
            return Advice(fault=f"did not answer within {self._timeout_s:g} s")
        except _TooLarge:
            return Advice(
                fault=f"answered more than {ANSWER_BYTES // 1024} KiB: {EXPECTED} would be right"
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its text may quote what came, as a protocol error does.
            return Advice(fault=f"could not be asked ({type(error).__name__})")
        if not 200 <= status < 300:
            return Advice(
                fault=f"answered HTTP status {status} with {_length(body)}: 200 with {EXPECTED} would be "
                "right; redirects are not followed"
            )
        return _read(body, consult)

    async def _posted(self, url: str, content: str) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(
                follow_redirects=False, trust_env=False, timeout=2 * self._timeout_s
            ) as client,
            client.stream("POST", url, content=content, headers=headers) as answer,
        ):
            body = b""
            async for part in answer.aiter_raw():
                body += part
                if len(body) > ANSWER_BYTES:
                    raise _TooLarge
            return answer.status_code, body

    def _refusal(self, url: str) -> str | None:
        try:
            address = host_port(url)
        except AddressError as error:
            return f"cannot be asked: {error}"
        if is_loopback(address) or address.lower() in self._allowed:
            return None
        return f"may not be asked: start the controller with --allow-target {address}"


def _read(body: bytes, consult: Consult) -> Advice:
    try:
        document = json.loads(body.decode(errors="replace"))
    except (ValueError, RecursionError):
        return wrong(f"{_length(body)} that are no JSON" if body else "nothing")
    return read(document, consult)


def _length(body: bytes) -> str:
    return f"{len(body)} bytes" if body else "nothing"
