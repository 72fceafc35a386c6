"""Where in Redis is what? Every key and stream name, and how long each may live."""

from __future__ import annotations

PREFIX = "tonnage:"

FLEET_SEEN = PREFIX + "fleet:seen"
"""Sorted set: worker id scored by the Redis time, in ms, of its last hello."""
FLEET_HELLO = PREFIX + "fleet:hello"
"""Hash: worker id -> encoded Hello."""
FLEET_LEASES = PREFIX + "fleet:leases"
"""Hash: worker id -> the run that holds it, if that run is among FLEET_HOLDERS."""
FLEET_HOLDERS = PREFIX + "fleet:holders"
"""Sorted set: run scored by the Redis time, in ms, at which its leases end."""
CONTROL = PREFIX + "control"
"""Stream, controller -> workers: Prepare, Plan, Stop under field `m`."""
CONTROL_LENGTH = 1_000
"""Control messages kept; a worker that is further behind has lost its run anyway."""
REPLIES_LENGTH = 50_000
"""Reports kept per run: the controller reads them within a second or the probe is void."""
WORKERS_A_SHARD, MOST_SHARDS = 1_000, 16
"""A stream of replies for so many workers, and so many streams at most."""
RUN_TTL_S = 3_600
"""Run keys outlive the run by this much when a controller dies before deleting them."""
HELLO_TTL_S = 5.0
"""A worker not heard of for this long is not part of the fleet."""


def fence(run: str) -> str:
    """String: highest fence seen for `run`; a lower one may not publish."""
    return f"{PREFIX}run:{run}:fence"


def beat(run: str) -> str:
    """String: number of the conductor's latest beat for `run`."""
    return f"{PREFIX}run:{run}:beat"


def roster(run: str, version: str) -> str:
    """Hash: worker id -> its position among the run's workers."""
    return f"{PREFIX}run:{run}:roster:{version}"


def replies(run: str, shard: int = 0) -> str:
    """Stream, workers -> controller: Ready, Report, Drained under field `m`."""
    return f"{PREFIX}run:{run}:replies" + (f":{shard}" if shard else "")


def shards(workers: int) -> int:
    """Over how many streams the replies of so many workers go."""
    return min(MOST_SHARDS, max(1, -(-workers // WORKERS_A_SHARD)))


def shard(position: int, workers: int) -> int:
    """The stream of the worker at `position` among `workers`."""
    return position % shards(workers)


def artefact(sha256: str) -> str:
    """String: the bytes of a data artefact, put there by the controller for a run."""
    return f"{PREFIX}artefact:{sha256}"
