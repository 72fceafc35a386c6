"""Which baselines are there, and which of their settings are tried?

Each stands with its tool's defaults and a grid of its own knobs: the accuracy-against-cost curve
runs over the grid, and so does the choice of its best setting on the family that is tuned on.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.search.baselines.aiperf import AiperfIsotonic, AiperfMonotonic
from benchmarks.search.baselines.aiperf_scale import AiperfScale
from benchmarks.search.baselines.bisection import Bisection
from benchmarks.search.baselines.environment import Search
from benchmarks.search.baselines.evalscope import Evalscope
from benchmarks.search.baselines.guidellm import GuideLlmRate, GuideLlmStreams
from benchmarks.search.baselines.k6 import K6Ramp
from benchmarks.search.baselines.linear import LinearSteps
from benchmarks.search.baselines.mlperf import MlPerf
from benchmarks.search.baselines.mlrsearch import MlrSearch
from benchmarks.search.baselines.mutilate import Mutilate
from benchmarks.search.baselines.perf_analyzer import PerfAnalyzer
from benchmarks.search.baselines.plrsearch import PlrSearch
from benchmarks.search.baselines.probabilistic import ProbabilisticBisection
from benchmarks.search.baselines.vanguard import Vanguard
from benchmarks.search.baselines.vidur import Vidur
from benchmarks.search.baselines.vllm_pchip import VllmPchip


@dataclass(frozen=True, slots=True)
class Baseline:
    """`knobs`: values to try of some fields of `search`, all combinations."""

    title: str
    source: str
    search: Search
    knobs: Mapping[str, tuple[Any, ...]]

    def settings(self) -> dict[str, Search]:
        """Every combination of knobs, by what is set; the defaults are not among them as such."""
        names = list(self.knobs)
        combined = itertools.product(*self.knobs.values())
        return {
            ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True)): (
                replace(self.search, **dict(zip(names, values, strict=True)))  # type: ignore[type-var]
            )
            for values in combined
        }


_WINDOWS = {"window_s": (5.0, 15.0, 30.0), "stability": (0.10, 0.25)}
_TRIALS = {"sum_s": (30.0, 60.0, 120.0), "width": (0.02, 0.05), "exceed": (0.3, 0.5)}
_LEVELS = {"level_s": (30.0, 60.0, 120.0), "tolerance": (0.1, 0.05, 0.025)}
_LENGTHS = (10.0, 20.0, 60.0, 120.0)

BASELINES: Mapping[str, Baseline] = {
    "perf_analyzer": Baseline(
        "Perf Analyzer, constant", "perf_analyzer @263c5f6", PerfAnalyzer(), _WINDOWS
    ),
    "perf_analyzer_poisson": Baseline(
        "Perf Analyzer, Poisson",
        "perf_analyzer @263c5f6",
        PerfAnalyzer(arrivals="poisson"),
        _WINDOWS,
    ),
    "mlperf_10s": Baseline(
        "MLPerf FindPeak, 10 s", "loadgen @b66003e", MlPerf(), {"duration_s": _LENGTHS}
    ),
    "mlperf_60s": Baseline(
        "MLPerf FindPeak, 60 s",
        "loadgen @b66003e",
        MlPerf(duration_s=60.0),
        {"duration_s": _LENGTHS},
    ),
    "vllm_pchip": Baseline(
        "vLLM serve_sla, PCHIP",
        "vllm @0826bcf",
        VllmPchip(),
        {"prompts": (1000, 3000, 10_000), "runs": (1, 3)},
    ),
    "vidur": Baseline(
        "Vidur / Sarathi",
        "vidur @7d47513",
        Vidur(),
        {"requests": (1000, 2000, 4000, 16_000), "precision": (0.025, 0.05)},
    ),
    "aiperf_monotonic": Baseline(
        "AIPerf monotonic_sla",
        "aiperf 2026-11",
        AiperfMonotonic(),
        {"requests": (300, 1000, 10_000), "agreeing": (1, 2, 3)},
    ),
    "aiperf_isotonic": Baseline(
        "AIPerf smooth_isotonic",
        "aiperf 2026-11",
        AiperfIsotonic(),
        {"requests": (300, 1000, 10_000), "precision": (0.05, 0.025)},
    ),
    "aiperf_scale": Baseline(
        "AIPerf adaptive_scale",
        "aiperf 2026-11",
        AiperfScale(),
        {"window_s": (10.0, 30.0, 60.0), "step_ratio": (0.1, 0.25, 0.5)},
    ),
    "guidellm_rate": Baseline(
        "GuideLLM goodput, on rate", "guidellm PR 1086", GuideLlmRate(), _LEVELS
    ),
    "guidellm_streams": Baseline(
        "GuideLLM goodput, as shipped", "guidellm PR 1086", GuideLlmStreams(), _LEVELS
    ),
    "mutilate": Baseline(
        "mutilate --search",
        "leverich/mutilate",
        Mutilate(),
        {"run_s": (5.0, 20.0, 60.0), "connections": (16, 64, 256)},
    ),
    "k6_ramp": Baseline(
        "k6 ramp with abort",
        "k6 documentation",
        K6Ramp(),
        {"ramp_s": (300.0, 600.0, 1800.0), "delay_s": (0.0, 10.0)},
    ),
    "linear_steps": Baseline(
        "Fixed linear steps",
        "ADR-02 @32b423e",
        LinearSteps(),
        {"hold_s": (30.0, 60.0, 120.0), "step_ratio": (0.1, 0.25, 0.5)},
    ),
    "mlrsearch_3s": Baseline("MLRsearch, 3 s trials", "RFC 9971", MlrSearch(), _TRIALS),
    "mlrsearch_10s": Baseline(
        "MLRsearch, 10 s trials", "RFC 9971", MlrSearch(trial_s=10.0), _TRIALS
    ),
    "plrsearch": Baseline(
        "PLRsearch",
        "draft-vpolak-bmwg-plrsearch",
        PlrSearch(),
        {"search_s": (300.0, 600.0, 1800.0), "losses": ("poisson", "geometric")},
    ),
    "probabilistic": Baseline(
        "Probabilistic bisection",
        "Waeber et al. 2013",
        ProbabilisticBisection(),
        {"probe_s": (10.0, 20.0, 40.0, 60.0), "right": (0.6, 0.7, 0.8, 0.9)},
    ),
    "bisection_60s": Baseline(
        "Plain bisection, 60 s", "textbook", Bisection(), {"probe_s": _LENGTHS}
    ),
    "bisection_20s": Baseline(
        "Plain bisection, 20 s", "textbook", Bisection(probe_s=20.0), {"probe_s": _LENGTHS}
    ),
    "evalscope": Baseline(
        "evalscope SLA auto-tune",
        "evalscope @fde259d",
        Evalscope(),
        {"runs": (3, 5), "requests_times": (2.0, 10.0, 30.0, 60.0)},
    ),
    "vanguard": Baseline(
        "vanguard, as published",
        "Abdelfattah et al. 2026, Algorithm 1",
        Vanguard(),
        {"round_s": (30.0, 60.0, 120.0), "epsilon": (0.05, 0.01, 0.001)},
    ),
}
