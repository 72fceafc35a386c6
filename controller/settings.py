"""How is this controller set up? The only reader of the environment, prefix TONNAGE_."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contract.bundle import SWITCH, switched
from contract.redis_url import refusal
from contract.signing import KEY_VARIABLE, key_of
from contract.units import parse_duration

_MIN_TOKEN_LENGTH = 16


class SettingsInvalid(ValueError):
    """The controller cannot be started like this; the text names every setting at fault."""


def _switch(value: Any) -> Any:
    return switched(value) if isinstance(value, str) else value


class Settings(BaseSettings):
    """Options of `serve`; what is not given on the command line comes from the environment.

    `allow_target` are HOST:PORT beside loopback, comma-separated in TONNAGE_ALLOW_TARGET.
    `fleet_ceiling` is the most workers the demand asks for, `fleet_within` how long a run waits for
    them (in seconds, or as `60s`), `runs_at_once` how many runs are in progress at most.
    """

    model_config = SettingsConfigDict(env_prefix="TONNAGE_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8411
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    fleet_key: SecretStr | None = None
    bundles: Annotated[bool, BeforeValidator(_switch)] = False
    database_url: SecretStr = SecretStr("sqlite:///tonnage.sqlite")
    port_file: Path | None = None
    token: SecretStr | None = None
    allow_target: Annotated[tuple[str, ...], NoDecode] = ()
    body_max_bytes: Annotated[int, Field(gt=0)] = 1024 * 1024
    artefact_max_bytes: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    view_interval_s: Annotated[float, Field(gt=0)] = 1.0
    ping_interval_s: Annotated[float, Field(gt=0)] = 15.0
    fleet_ceiling: Annotated[int, Field(ge=1, le=10_000)] = 64
    fleet_within: Annotated[float, Field(ge=0, le=3_600)] = 60.0
    runs_at_once: Annotated[int, Field(ge=1, le=100)] = 4

    @field_validator("fleet_within", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
            return float(parse_duration(value))
        return value

    @field_validator("allow_target", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allow_target")
    @classmethod
    def _host_and_port(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            host, colon, port = entry.rpartition(":")
            if not (host and colon and port.isdecimal()) or "/" in entry:
                raise ValueError(f"{entry!r} is not HOST:PORT: write one such as ranker:8000")
        return tuple(entry.lower() for entry in value)

    @field_validator("fleet_key")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value and key_of(value.get_secret_value()) else None

    @model_validator(mode="after")
    def _signed_bundles(self) -> Settings:
        if self.bundles and self.fleet_key is None:
            raise ValueError(
                f"{SWITCH} is on: set {KEY_VARIABLE} as well, workers take code from a signed "
                "message only"
            )
        return self

    @model_validator(mode="after")
    def _no_open_redis(self) -> Settings:
        try:
            url = self.redis_url.get_secret_value()
            refused = refusal(url, has_key=self.fleet_key is not None)
        except ValueError:  # told by who connects
            return self
        if refused is not None:
            raise ValueError(refused)
        return self

    @model_validator(mode="after")
    def _token_beyond_loopback(self) -> Settings:
        if not self.is_loopback and self.token is None:
            raise ValueError(
                f"{self.host!r} is not loopback: set TONNAGE_TOKEN, which every request must "
                "then carry, or bind 127.0.0.1"
            )
        if self.token is not None and len(self.token.get_secret_value()) < _MIN_TOKEN_LENGTH:
            raise ValueError(f"TONNAGE_TOKEN is short: use at least {_MIN_TOKEN_LENGTH} characters")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether nobody beyond this machine can reach the controller."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def read(**given: Any) -> Settings:
    """Settings from `given`, what is None there from the environment.

    Raises:
        SettingsInvalid: naming each setting and its fix.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [_line(details["loc"], details["msg"]) for details in error.errors()]
        raise SettingsInvalid("; ".join(lines)) from error


def _line(path: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{path[0]}: {text}" if path else text
