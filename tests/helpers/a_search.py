"""What is a search of the benchmark called, when nothing about it matters but one thing?"""

from __future__ import annotations

from typing import Any

from benchmarks.search.found import Found


def a_search(seed: int = 1, **changes: Any) -> Found:
    """Family fifo, clean, 100/s found of 100/s, between 96/s and 104/s."""
    settings: dict[str, Any] = {
        "family": "fifo",
        "disturbance": "clean",
        "strategy": "bayes",
        "setting": "default",
        "seed": seed,
        "digest": "0",
        "place": "inside",
        "truth": 100.0,
        "truth_error": 0.1,
        "strict_truth": None,
        "status": "answered",
        "reason": "",
        "estimate": 100.0,
        "low": 96.0,
        "high": 104.0,
        "strict": 100.0,
        "seconds": 200.0,
        "requests": 10_000,
        "bad_requests": 1_000,
        "probes": 20,
    }
    return Found(**(settings | changes))
