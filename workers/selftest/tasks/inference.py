"""Which requests does a self-test send with an InferenceUser?"""

from locust import task

from workers.clients.inference import InferenceUser


class Asker(InferenceUser):
    """A small request of a model server's kind, prepared once."""

    def on_start(self) -> None:
        self._request = self.prepare("GET", "/v2/models/any/infer")

    @task
    def ask(self) -> None:
        self.send(self._request)
