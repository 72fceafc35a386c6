"""With which certificates does a worker speak TLS to the target, and what when one is refused?"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from contract.connections import Connections, variable_of

_ASKS_FOR_ONE: Final = "CERTIFICATE_REQUIRED"
"""What OpenSSL calls the alert of a server that wants to see a certificate of the client's."""


class TlsError(ValueError):
    """Certificates or keys that cannot be used; the text names the field of the goal."""


class CertificateRefused(ssl.SSLError):
    """One side would not have the other's certificate."""

    kind: Final = "certificate refused"


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS. `server_name` stands for the target's host in SNI and in the check."""

    context: ssl.SSLContext
    server_name: str | None = None

    def wrap(self, opened: Any, host: str) -> Any:
        """The handshake over a connected socket; it waits for the other side.

        Raises:
            OSError: it failed. CertificateRefused where a certificate is why.
        """
        name = self.server_name or host
        try:
            return self.context.wrap_socket(opened, server_hostname=name)
        except ssl.SSLError as error:
            explain(error, name)
            raise


def system_tls() -> Tls:
    """With the system's authorities and no certificate of one's own."""
    return Tls(_system_context())


def tls_of(
    policy: Connections, authority: bytes | None, environment: Mapping[str, str]
) -> Tls | None:
    """What a policy asks for; None when it says nothing of TLS.

    `authority` is what `policy.ca_sha256` stands for, PEM; `environment` the worker's.

    Raises:
        TlsError: naming the field, and the variable but not its value.
    """
    if not policy.says_tls:
        return None
    context = _context(authority)
    if policy.verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if policy.certificate is not None:
        _load_own(context, policy, environment)
    return Tls(context, policy.server_name)


def explain(error: ssl.SSLError, name: str) -> None:
    """Raise it as a sentence with its fix, where certificates are at the bottom of it.

    Raises:
        CertificateRefused: one was refused, that of `name` or the client's.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        fix = "name its authority in workload.connections.ca, or write verify: off"
        if "mismatch" in why:
            fix = "write the name that it has as workload.connections.server_name"
        text = f"certificate verify failed: that of {name}: {why}: {fix}"
        raise CertificateRefused(error.errno, text) from error
    if _ASKS_FOR_ONE in (error.reason or ""):
        fix = "name a file with one in workload.connections.certificate"
        text = f"{name} asks for a certificate of the client's: {fix}"
        raise CertificateRefused(error.errno, text) from error


@lru_cache(maxsize=1)
def _system_context() -> ssl.SSLContext:
    """Read once: the certificates of the authorities take 20 ms."""
    return ssl.create_default_context()


def _context(authority: bytes | None) -> ssl.SSLContext:
    if authority is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=authority.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise TlsError(
            "workload.connections.ca holds no certificate that can be read: give a PEM file, "
            "-----BEGIN CERTIFICATE----- and so on"
        ) from error


def _load_own(context: ssl.SSLContext, policy: Connections, environment: Mapping[str, str]) -> None:
    assert policy.certificate is not None
    certificate = _path(policy.certificate, "certificate", environment)
    key = None if policy.key is None else _path(policy.key, "key", environment)
    where = f"workload.connections.certificate {policy.certificate}"
    try:
        context.load_cert_chain(certificate, key, password="")
    except FileNotFoundError as error:
        absent = policy.key if policy.key is not None else policy.certificate
        raise TlsError(
            f"{where}: a file is not on this worker: look at what {absent} says"
        ) from error
    except ssl.SSLError as error:
        raise TlsError(f"{where}: {_unusable(error, policy)}") from error
    except OSError as error:
        raise TlsError(f"{where}: a file cannot be read: {error.strerror}") from error


def _unusable(error: ssl.SSLError, policy: Connections) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key belongs to another certificate"
    place = "the same file" if policy.key is None else policy.key
    return (
        "the files hold no certificate and key that can be read: both must be PEM, the key "
        f"(in {place}) without a passphrase"
    )


def _path(reference: str, field: str, environment: Mapping[str, str]) -> str:
    name = variable_of(reference, field)
    path = environment.get(name)
    if not path:
        raise TlsError(
            f"workload.connections.{field} {reference}: the variable is not set in this worker's "
            "environment: set it to the path of the file"
        )
    return path
