"""Which views and results do tests of the command line show? Small whole ones, to be varied."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def probe(number: int, rate: float, verdict: str, **more: object) -> Document:
    """A decided probe of a view."""
    return {
        "number": number,
        "purpose": "bracket",
        "rate": rate,
        "verdict": verdict,
        "reason": f"because of {number}",
        **more,
    }


def view(**more: object) -> Document:
    """A run in progress that has decided nothing yet."""
    return {
        "id": "r1",
        "name": "ranker",
        "state": "running",
        "notes": [],
        "probes": [],
        "current": None,
        "curve": [],
        "estimate": None,
        "low": None,
        "high": None,
        "created_at": 1000.0,
        "started_at": 1000.0,
        "ended_at": 1060.0,
        "budget_s": 600.0,
        "cost": {"seconds": 60.0, "requests": 1234, "bad_requests": 5},
        **more,
    }


def current(number: int, rate: float) -> Document:
    """A probe in progress, with a slice of its measurement."""
    return {
        "current": {"number": number, "purpose": "warm_up", "rate": rate, "why": "to warm it"},
        "curve": [
            {
                "offered_per_s": rate,
                "achieved_per_s": rate - 1,
                "p50_ms": 20.4,
                "p90_ms": 31.0,
                "p99_ms": None,
                "in_flight": 3,
            }
        ],
    }


PROBES: list[Document] = [
    {
        "rate": 90.0,
        "offered_per_s": 90.2,
        "achieved_per_s": None,
        "bad_requests": 1,
        "seconds": 4.0,
        "verdict": "pass",
        "reason": "within budget",
        "metrics": {"response_time": {"p50_ms": 30.0, "p90_ms": 60.0, "p99_ms": 99.9}},
    },
    {
        "rate": 120.0,
        "offered_per_s": None,
        "achieved_per_s": None,
        "bad_requests": 0,
        "seconds": 2.0,
        "verdict": "void",
        "reason": "worker w1 was lost in mid-probe",
        "metrics": {"response_time": None},
    },
]


def result(**more: object) -> Document:
    """The result document of a run that answered."""
    return {
        "schema_version": 1,
        "status": "answered",
        "exit_status": 0,
        "reason": "p99 response_time limits it.",
        "capacity": {
            "estimate": 100.0,
            "low": 95.5,
            "high": 104.5,
            "strict": 100.0,
            "safe": 97.0,
            "unit": "arrivals/s",
            "requests_per_arrival": 1.0,
        },
        "gate": None,
        "generator": {"send_lag_p99_ms": 0.31, "shed": 0, "missed": 2, "void_probes": 1},
        "probes": PROBES,
        "cost": {"seconds": 62.0, "requests": 4321, "bad_requests": 12},
        **more,
    }
