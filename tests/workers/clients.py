"""Which users of stock clients do the tests let work?"""

from __future__ import annotations

from locust import FastHttpUser, HttpUser, task


class Fast(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.get("/")


class Http(HttpUser):
    @task
    def go(self) -> None:
        self.client.get("/")
