"""What anybody would write for a GET with FastHttpUser; nothing in it knows of Tonnage."""

from locust import FastHttpUser, constant, task


class Fast(FastHttpUser):
    wait_time = constant(0)

    @task
    def get(self) -> None:
        self.client.get("/")
