"""What anybody would write for a GET with HttpUser; nothing in it knows of Tonnage."""

from locust import HttpUser, constant, task


class Http(HttpUser):
    wait_time = constant(0)

    @task
    def get(self) -> None:
        self.client.get("/")
