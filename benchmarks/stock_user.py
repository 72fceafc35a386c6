"""An ordinary locustfile: the same file is run by stock Locust and by a Tonnage worker.

STOCK_WAIT is constant_throughput or poisson, STOCK_PER_USER the tasks/s of one user; both mean
nothing under Tonnage, where due times come with permits.
"""

from __future__ import annotations

import os

from locust import FastHttpUser, constant_throughput, poisson, task

WAITS = {"constant_throughput": constant_throughput, "poisson": poisson}
PER_USER = float(os.environ.get("STOCK_PER_USER", "10"))


class StockUser(FastHttpUser):
    """One request a task."""

    host = "http://127.0.0.1:9100"
    wait_time = WAITS[os.environ.get("STOCK_WAIT", "constant_throughput")](PER_USER)

    @task
    def work(self) -> None:
        self.client.get("/work")
