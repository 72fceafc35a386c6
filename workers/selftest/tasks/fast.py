"""Which requests does a self-test send with a FastHttpUser?"""

from locust import FastHttpUser, task


class FastAsker(FastHttpUser):
    """The usual task of a locustfile."""

    @task
    def ask(self) -> None:
        self.client.get("/ask")
