"""Is a file of the user that is not everywhere the same named, with whose it is?"""

from __future__ import annotations

import hashlib

import pytest

from contract.messages import Ready
from controller.adapters.user_files import LOCUSTFILES, Meant, meant, mismatch
from controller.search.goal import Workload

OLD, NEW = "1" * 64, "2" * 64
OURS = Meant(NEW, "the controller's own")


def ready(worker: str, sha256: str | None) -> Ready:
    return Ready("r1", 1, worker, "b", user_sha256=sha256)


def test_workers_with_the_same_file_are_fine() -> None:
    same = [ready("w1", NEW), ready("w2", NEW)]
    assert mismatch("kserve_v2", same, None) is None
    assert mismatch("kserve_v2", same, OURS) is None


def test_workers_that_differ_are_named_with_both_hashes_and_whose_is_whose() -> None:
    answers = [ready("w1", OLD), ready("w2", NEW), ready("w3", OLD)]
    said = mismatch("kserve_v2", answers, OURS)
    assert said is not None
    assert f"workers w1, w3 have {OLD[:12]}, worker w2 has {NEW[:12]}" in said
    assert f"the controller's own is {NEW[:12]}" in said
    assert "install the same on every worker" in said


def test_workers_that_agree_on_another_file_than_was_meant_are_refused_too() -> None:
    said = mismatch("kserve_v2", [ready("w1", OLD)], OURS)
    assert said is not None
    assert f"worker w1 has {OLD[:12]}, the controller's own is {NEW[:12]}" in said


def test_of_many_workers_some_are_named() -> None:
    answers = [ready(f"w{number}", OLD) for number in range(100)]
    said = mismatch("plain_http", answers, OURS)
    assert said is not None
    assert "and 95 more have" in said


def test_a_worker_that_gives_no_hash_says_nothing_of_it() -> None:
    assert mismatch("plain_http", [ready("w1", None)], OURS) is None


@pytest.mark.parametrize("user", ["/srv/load.py", "load.py", "not_there"])
def test_of_a_file_that_is_not_ours_we_have_none(user: str) -> None:
    assert meant(Workload(user=user)) is None


def test_of_a_shipped_user_the_controllers_own_is_meant() -> None:
    data = (LOCUSTFILES / "kserve_v2.py").read_bytes()
    own = Meant(hashlib.sha256(data).hexdigest(), "the controller's own")
    assert meant(Workload(user="kserve_v2")) == own
