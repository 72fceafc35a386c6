"""Is a redirect followed only where the locustfile asks, and is what it adds counted?

Each claim about the fix stands beside one that shows the habit with the fixes off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from locust import FastHttpUser, HttpUser, User, task

from tests.workers.clients import Fast, Http
from tests.workers.driving import driving
from tests.workers.servers import HttpTarget, Received, ok, redirect_to


def redirects_twice(request: Received) -> Iterable[bytes]:
    where = {"/": "/a", "/a": "/b"}.get(request.line.split()[1])
    return [redirect_to(where)] if where else ok(request)


@pytest.mark.parametrize("kind", [Fast, Http])
def test_stock_follows_redirects_in_silence(kind: type[User], stock: None) -> None:
    with HttpTarget(redirects_twice) as target, driving(kind, target.url) as driven:
        driven.run_task()
    assert driven.errors == [None]
    assert len(target.requests) == 3


class HttpOptions(HttpUser):
    @task
    def go(self) -> None:
        self.client.options("/")


class HttpPost(HttpUser):
    @task
    def go(self) -> None:
        self.client.post("/", data="x")


class FastPost(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.post("/", data="x")


@pytest.mark.parametrize("kind", [Fast, FastPost, Http, HttpOptions, HttpPost])
def test_a_redirect_nobody_asked_to_follow_is_a_failure_that_names_the_way(
    kind: type[User], fixed: None, extra: Any
) -> None:
    with HttpTarget(redirects_twice) as target, driving(kind, target.url) as driven:
        driven.run_task()
    assert len(driven.errors) == 1
    assert "HTTP 302 redirects to /a; allow_redirects=True would follow" in str(driven.errors)
    assert (len(target.requests), extra.extra_sends) == (1, 0)


class FastAsking(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.get("/", allow_redirects=True)


class FastAskingByClass(FastHttpUser):
    max_redirects = 5

    @task
    def go(self) -> None:
        self.client.get("/")


class HttpAsking(HttpUser):
    @task
    def go(self) -> None:
        self.client.get("/", allow_redirects=True)


@pytest.mark.parametrize("kind", [FastAsking, FastAskingByClass, HttpAsking])
def test_redirects_the_locustfile_asks_for_are_followed_and_counted(
    kind: type[User], fixed: None, extra: Any
) -> None:
    with HttpTarget(redirects_twice) as target, driving(kind, target.url) as driven:
        driven.run_task()
    assert driven.errors == [None]
    assert (len(target.requests), extra.extra_sends) == (3, 2)


class FastDeclining(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.get("/", allow_redirects=False)


class HttpDeclining(HttpUser):
    @task
    def go(self) -> None:
        self.client.get("/", allow_redirects=False)


@pytest.mark.parametrize("kind", [FastDeclining, HttpDeclining])
def test_a_redirect_the_locustfile_declines_is_its_answer(kind: type[User], fixed: None) -> None:
    with HttpTarget(redirects_twice) as target, driving(kind, target.url) as driven:
        driven.run_task()
    assert driven.errors == [None]
    assert len(target.requests) == 1


class FastChecking(FastHttpUser):
    @task
    def go(self) -> None:
        with self.client.get("/", catch_response=True) as reply:
            if reply.status_code == 302:
                reply.success()


class HttpChecking(HttpUser):
    @task
    def go(self) -> None:
        with self.client.get("/", catch_response=True) as reply:
            if reply.status_code == 302:
                reply.success()


@pytest.mark.parametrize("kind", [FastChecking, HttpChecking])
def test_a_task_may_judge_a_redirect_itself(kind: type[User], fixed: None) -> None:
    with HttpTarget(redirects_twice) as target, driving(kind, target.url) as driven:
        driven.run_task()
    assert driven.errors == [None]
