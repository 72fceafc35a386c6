"""A Redis that others can reach is used with a password and a fleet key, or not at all."""

from __future__ import annotations

import pytest

from contract.redis_url import place, refusal

NEAR = ["redis://127.0.0.1:7/0", "redis://localhost", "redis:///0", "redis://[::1]:7"]


@pytest.mark.parametrize("url", [*NEAR, "unix:///run/redis.sock?db=1"])
def test_nobody_else_reaches_loopback_or_a_socket(url: str) -> None:
    assert refusal(url, has_key=False) is None


@pytest.mark.parametrize("url", ["redis://10.0.0.5:7/0", "rediss://worker@redis.example"])
def test_another_host_without_a_password_is_refused_with_the_fix(url: str) -> None:
    said = refusal(url, has_key=True)
    assert said is not None
    assert "deploy/redis/users.acl" in said
    assert "rediss://USER:PASSWORD@HOST:PORT/0" in said


@pytest.mark.parametrize("url", ["rediss://w:hunter2@redis:6380/0", "redis://r/0?password=hunter2"])
def test_another_host_without_a_fleet_key_is_refused_with_the_fix(url: str) -> None:
    said = refusal(url, has_key=False)
    assert said is not None
    assert "TONNAGE_FLEET_KEY" in said
    assert "hunter2" not in said
    assert refusal(url, has_key=True) is None


def test_the_place_of_a_redis_shows_no_password() -> None:
    assert place("redis://:secret@10.0.0.5:7000/0") == "10.0.0.5:7000"
    assert place("rediss://u:secret@[fd00::1]") == "[fd00::1]:6379"
    assert place("unix://u:secret@/run/redis.sock?db=1") == "/run/redis.sock"
