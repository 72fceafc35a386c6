"""Which requests does a self-test send that are as large as a picture?"""

from locust import task

from workers.clients.inference import InferenceUser
from workers.selftest.server import BODY_BYTES, END

BODY = bytes(BODY_BYTES - len(END)) + END


class Sender(InferenceUser):
    """A body of 64 kB in each request."""

    def on_start(self) -> None:
        self._request = self.prepare("POST", "/v2/models/any/infer", BODY)

    @task
    def send_one(self) -> None:
        self.send(self._request)
