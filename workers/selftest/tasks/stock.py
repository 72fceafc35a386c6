"""Which requests does a self-test send with an HttpUser?"""

from locust import HttpUser, task


class StockAsker(HttpUser):
    """The usual task of a locustfile."""

    @task
    def ask(self) -> None:
        self.client.get("/ask")
