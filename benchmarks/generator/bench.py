"""What does every measurement of the benchmark share?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generator import peers, stock
from benchmarks.generator.servers import Cores

HEY_S = 1.0


@dataclass(slots=True)
class Bench:
    """Cores, a folder, how many rounds; `rate` is what InferenceUser was found to carry."""

    cores: Cores
    folder: Path
    rounds: int
    rate: float | None = None
    said: list[str] = field(default_factory=list)

    @property
    def pin(self) -> tuple[str, ...]:
        return self.cores.for_client

    def hey(self, url: str) -> peers.Reading:
        """One run of hey on the client's core."""
        reading = peers.HEY.run(url, HEY_S, self.pin)
        if reading.failed:
            raise RuntimeError(f"{reading.failed} requests of hey failed")
        return reading

    def stock(self, kind: str, url: str) -> float:
        """Stock Locust on the client's core, in requests/s."""
        return stock.run(kind, url, self.pin)

    def tell(self, text: str) -> None:
        """Progress, for whoever waits."""
        self.said.append(text)
        print(f"  {text}", flush=True)
