"""A target's host and port read the same for whoever allows it and whoever connects to it."""

import pytest

from contract.address import AddressError, host_port


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://127.0.0.1:9100", "127.0.0.1:9100"),
        ("http://ranker/v2", "ranker:80"),
        ("https://Ranker.example", "ranker.example:443"),
        ("grpc://[::1]:8001", "[::1]:8001"),
    ],
)
def test_the_port_is_spelled_out(target: str, expected: str) -> None:
    assert host_port(target) == expected


@pytest.mark.parametrize(
    "target", ["", "ranker:8000", "http://", "ftp://ranker", "http://h:99999", "http://[::1"]
)
def test_what_names_no_host_and_port_is_refused_by_its_text(target: str) -> None:
    with pytest.raises(AddressError, match="is not a URL"):
        host_port(target)
