"""What does an arrival cost whose task does nothing?"""

from locust import User, task


class Empty(User):
    host = "http://127.0.0.1:8000"

    @task
    def nothing(self) -> None:
        return
