"""Is a controller that would be open to others, or set up wrong, refused with the fix?"""

from __future__ import annotations

import pytest

from controller.settings import SettingsInvalid, read

TOKEN = "a-token-of-some-length"
FLEET_KEY = "a fleet key that is long enough, forty"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "HOST", "PORT", "ALLOW_TARGET", "REDIS_URL", "DATABASE_URL"):
        monkeypatch.delenv(f"TONNAGE_{name}", raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert read(host=host).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "tonnage.example"])
def test_anything_else_needs_one(host: str) -> None:
    with pytest.raises(SettingsInvalid, match="set TONNAGE_TOKEN"):
        read(host=host)
    assert not read(host=host, token=TOKEN).is_loopback


def test_a_short_token_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="at least 16 characters"):
        read(token="short")


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONNAGE_PORT", "9999")
    monkeypatch.setenv("TONNAGE_ALLOW_TARGET", "Ranker:8000, 10.0.0.1:80")
    assert read(port=None).port == 9999
    assert read(port=0).port == 0
    assert read().allow_target == ("ranker:8000", "10.0.0.1:80")
    assert read(allow_target=("b:1",)).allow_target == ("b:1",)


def test_every_wrong_setting_is_named() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read(port=99999, allow_target=("http://a:1",))
    assert "port: " in str(refused.value)
    assert "allow_target: 'http://a:1' is not HOST:PORT" in str(refused.value)


def test_secrets_are_not_shown() -> None:
    urls = {"redis_url": "redis://:hunter2@h", "database_url": "pg://hunter2"}
    shown = repr(read(token=TOKEN, fleet_key=FLEET_KEY, **urls))
    assert TOKEN not in shown
    assert FLEET_KEY not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ({"redis_url": "redis://redis:6379/0", "fleet_key": FLEET_KEY}, "USER:PASSWORD@HOST"),
        ({"redis_url": "rediss://u:p@redis:6380/0"}, "set TONNAGE_FLEET_KEY"),
        ({"fleet_key": "short"}, "at least 32 characters"),
    ],
)
def test_a_redis_that_others_reach_needs_a_password_and_a_fleet_key(
    given: dict[str, str], fix: str
) -> None:
    with pytest.raises(SettingsInvalid, match=fix):
        read(**given)


def test_how_the_fleet_is_shared_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("FLEET_CEILING", "12"), ("FLEET_WITHIN", "2min"), ("RUNS_AT_ONCE", "1")):
        monkeypatch.setenv(f"TONNAGE_{name}", value)
    settings = read()
    assert (settings.fleet_ceiling, settings.fleet_within, settings.runs_at_once) == (12, 120.0, 1)
    monkeypatch.setenv("TONNAGE_FLEET_WITHIN", "20")
    assert read().fleet_within == 20.0
    monkeypatch.setenv("TONNAGE_FLEET_WITHIN", "soon")
    with pytest.raises(SettingsInvalid, match=r"fleet_within: .*soon"):
        read()
