"""Whose is a worker? One Redis hash says, and a run that beats no more holds nobody.

    take    a run asks for a list of workers and gets those nobody else holds; others it had go
    renew   about once a second; a run not renewed for LEASE_S has lost its workers
    give_back

A call of a controller whose fence is too low changes nothing. Workers of a controller that was
killed are free LEASE_S later, by the clock of Redis, and nobody has to clean up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from contract import keys
from controller.adapters.control_link import ControlLink
from controller.errors import Fenced, FleetLost
from controller.ports import Clock, Member

RENEW_S = 1.0
LEASE_S = 5.0
"""A lease stands this long behind its latest renewal."""

log = logging.getLogger(__name__)

_NOW = """
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function is_fenced(key, fence)
  return tonumber(fence) < tonumber(redis.call('GET', key) or '0')
end
"""
_TAKE = (
    _NOW
    + """
if is_fenced(KEYS[3], ARGV[2]) then return false end
local run, now, wanted, taken, got = ARGV[1], now_ms(), {}, {}, {}
for i = 4, #ARGV do wanted[ARGV[i]] = true end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local worker, holder = held[i], held[i + 1]
  if holder == run then
    if not wanted[worker] then redis.call('HDEL', KEYS[1], worker) end
  elseif redis.call('ZSCORE', KEYS[2], holder) then taken[worker] = true
  else redis.call('HDEL', KEYS[1], worker) end
end
for i = 4, #ARGV do
  if not taken[ARGV[i]] then
    redis.call('HSET', KEYS[1], ARGV[i], run)
    got[#got + 1] = ARGV[i]
  end
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[3])), run)
return got
"""
)
_RENEW = (
    _NOW
    + """
if is_fenced(KEYS[2], ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms() + tonumber(ARGV[3])), ARGV[1])
return 1
"""
)
_GIVE_BACK = (
    _NOW
    + """
if is_fenced(KEYS[3], ARGV[2]) then return 0 end
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  if held[i + 1] == ARGV[1] then redis.call('HDEL', KEYS[1], held[i]) end
end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
"""
)
_STANDING = (
    _NOW
    + """
local holders = redis.call('ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', now_ms()), '+inf')
local stands = {}
for _, run in ipairs(holders) do stands[run] = true end
local held, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #held, 2 do
  if stands[held[i + 1]] then
    found[#found + 1] = held[i]
    found[#found + 1] = held[i + 1]
  end
end
return {holders, found}
"""
)


class Leases:
    """The leases of one run, renewed from the first `take` to `end`."""

    def __init__(self, run: str, fence: int, link: ControlLink, clock: Clock) -> None:
        self._run = run
        self._fence = fence
        self._link = link
        self._clock = clock
        self._renewing: asyncio.Task[None] | None = None

    async def take(self, workers: Iterable[str]) -> frozenset[str]:
        """Hold `workers` and no others; those that this run has now.

        Raises:
            Fenced: another controller runs this.
            FleetLost: Redis does not answer.
        """
        names = (keys.FLEET_LEASES, keys.FLEET_HOLDERS, keys.fence(self._run))
        said = await self._link.evaluate(_TAKE, names, (*self._name, *workers))
        if said is None:
            raise Fenced(f"another controller has taken over run {self._run}")
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_on(), name=f"leases of {self._run}")
        return frozenset(worker.decode() for worker in said)

    async def end(self, *, give_back: bool = True) -> None:
        """Renew no more, and give the workers back; else the leases run out. Idempotent."""
        renewing, self._renewing = self._renewing, None
        if renewing is None:
            return
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        if not give_back:
            return
        names = (keys.FLEET_LEASES, keys.FLEET_HOLDERS, keys.fence(self._run))
        try:
            await self._link.evaluate(_GIVE_BACK, names, self._name)
        except FleetLost as error:
            log.warning("run %s: its workers are free in %g s: %s", self._run, LEASE_S, error)

    @property
    def _name(self) -> tuple[str, int, int]:
        return self._run, self._fence, round(LEASE_S * 1_000)

    async def _renew_on(self) -> None:
        while True:
            await self._clock.sleep(RENEW_S)
            names = (keys.FLEET_HOLDERS, keys.fence(self._run))
            try:
                if not await self._link.evaluate(_RENEW, names, self._name):
                    return  # fenced: the fleet notices by itself
            except FleetLost as error:
                log.warning("run %s: its leases are not renewed: %s", self._run, error)


class RedisRoster:
    """The Roster port: hellos and leases together."""

    def __init__(self, link: ControlLink) -> None:
        self._link = link

    async def members(self) -> tuple[Member, ...]:
        """Workers heard of within the last seconds, by name.

        One whose run holds no lease any more belongs to nobody, whatever it says itself. Those with
        another fleet key than the controller's are none of ours.
        """
        there = await self._link.fleet()
        holders, held = await standing(self._link)
        members = []
        for hello in (s.hello for s in there if s.hello.key_id == self._link.key_id):
            said = hello.run if hello.run in holders else None
            run = held.get(hello.worker, said)
            members.append(Member(hello.worker, hello.host, float(hello.rate_per_s), run))
        return tuple(members)


async def standing(link: ControlLink) -> tuple[frozenset[str], dict[str, str]]:
    """The runs whose leases stand, and by worker whose it is.

    Raises:
        FleetLost: Redis does not answer.
    """
    names = (keys.FLEET_LEASES, keys.FLEET_HOLDERS)
    holders, flat = await link.evaluate(_STANDING, names, ())
    texts = [text.decode() for text in flat]
    held = dict(zip(texts[::2], texts[1::2], strict=True))
    return frozenset(run.decode() for run in holders), held
