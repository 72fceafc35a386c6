"""A bundle is a zip of plain files inside one folder; nothing else is unpacked."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import bundle
from contract.bundle import BundleError, checked_user, is_bundle, packed, switched, unpacked

FILES = {"locustfile.py": b"x = 1\n", "data/bodies.jsonl": b"{}\n" * 50}


def zipped(name: str, *, mode: int = stat.S_IFREG, data: bytes = b"x", times: int = 1) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for _ in range(times):
            entry = zipfile.ZipInfo("a")
            entry.filename = name
            entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return made.getvalue()


def test_a_folder_survives_the_zip_and_always_makes_the_same() -> None:
    assert unpacked(packed(FILES)) == FILES
    assert packed(FILES) == packed(dict(reversed(FILES.items())))
    assert is_bundle(packed(FILES))
    assert is_bundle(packed({}))
    assert not is_bundle(b'{"path": "/"}\n')


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.py", "a/../../up.py", "./a.py", "a//b.py", "a\\b.py", "C:a.py"]
)
def test_a_path_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="is not a path inside it"):
        unpacked(zipped(name))
    with pytest.raises(BundleError):
        packed({name: b""})


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(mode: int) -> None:
    with pytest.raises(BundleError, match="neither a file nor a folder"):
        unpacked(zipped("a.py", mode=mode, data=b"/etc/passwd"))


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped("a.py", times=2)
    with pytest.raises(BundleError, match="two files of one name"):
        unpacked(data)


def test_what_grows_too_large_or_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed(FILES)
    monkeypatch.setattr(bundle, "MAX_BYTES", 100)
    with pytest.raises(BundleError, match="156 bytes unpacked, and 100 are the most"):
        unpacked(data)
    monkeypatch.setattr(bundle, "MAX_FILES", 1)
    with pytest.raises(BundleError, match="2 entries, and 1 are the most"):
        unpacked(data)


def test_a_file_that_is_longer_than_it_says_is_refused() -> None:
    data = zipped("a.py", data=b"\0" * 1000)
    lying = data.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(BundleError):
        unpacked(lying)


@given(st.binary(max_size=200), st.booleans())
def test_bytes_that_are_no_zip_are_refused_whatever_they_are(data: bytes, begun: bool) -> None:
    with pytest.raises(BundleError):
        unpacked(b"PK\x03\x04" * begun + data)


@given(st.data())
def test_a_damaged_bundle_gives_its_files_or_an_error_of_ours(data: st.DataObject) -> None:
    damaged = bytearray(packed(FILES))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpacked(bytes(damaged))
    except BundleError:
        return
    assert all(".." not in name and not name.startswith("/") for name in found)


def test_the_user_is_a_python_file_of_the_bundle() -> None:
    assert checked_user("locustfile.py", FILES) == "locustfile.py"
    for user in ("data/bodies.jsonl", "other.py", "plain_http"):
        with pytest.raises(BundleError, match=r"name a file by its path there, of locustfile\.py"):
            checked_user(user, FILES)


def test_the_switch_is_on_or_off_and_nothing_else() -> None:
    assert [switched(text) for text in (None, "", "off", "on", "ON")] == [False] * 3 + [True] * 2
    with pytest.raises(ValueError, match="TONNAGE_BUNDLES is 'maybe': write on or off"):
        switched("maybe")
