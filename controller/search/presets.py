"""What do known servers call their signals?

Shares are 0 to 1, times in seconds, power in watts; `queue_depth` counts requests that wait,
`running` those at work, `server_time` is what a request spends in the server, waiting included.

Sources: Triton user guide "Metrics", vLLM "Production metrics", TorchServe "Metrics", the default
counters of dcgm-exporter; as scraped from Triton 2.51, vLLM 0.32 and TorchServe 0.12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_DEMO = "served_model_batch"


@dataclass(frozen=True, slots=True)
class Preset:
    """Expressions by signal, and the port of the page: None is the target's own."""

    metrics: Mapping[str, str]
    port: int | None = None


def _per_request(duration: str, requests: str, unit: str = "") -> str:
    return f"rate({duration}) / rate({requests}){unit}"


PRESETS: Mapping[str, Preset] = {
    "triton": Preset(
        {
            "gpu_utilization": "max(nv_gpu_utilization)",
            "gpu_memory_usage": "max(nv_gpu_memory_used_bytes) / max(nv_gpu_memory_total_bytes)",
            "power": "sum(nv_gpu_power_usage)",
            "queue_depth": "sum(nv_inference_pending_request_count)",
            "queue_time": _per_request(
                "nv_inference_queue_duration_us", "nv_inference_request_success", " * 1e-6"
            ),
            "server_time": _per_request(
                "nv_inference_request_duration_us", "nv_inference_request_success", " * 1e-6"
            ),
            "batch_size": _per_request("nv_inference_count", "nv_inference_exec_count"),
        },
        port=8002,
    ),
    "vllm": Preset(
        {
            "kv_cache_usage": "max(vllm:kv_cache_usage_perc)",
            "queue_depth": "sum(vllm:num_requests_waiting)",
            "running": "sum(vllm:num_requests_running)",
            "preemptions": "rate(vllm:num_preemptions_total)",
            "queue_time": _per_request(
                "vllm:request_queue_time_seconds_sum", "vllm:request_queue_time_seconds_count"
            ),
            "server_time": _per_request(
                "vllm:e2e_request_latency_seconds_sum", "vllm:e2e_request_latency_seconds_count"
            ),
            "tokens_per_step": _per_request(
                "vllm:iteration_tokens_total_sum", "vllm:iteration_tokens_total_count"
            ),
        }
    ),
    "torchserve": Preset(
        {
            "gpu_utilization": "max(GPUUtilization) * 0.01",
            "gpu_memory_usage": "max(GPUMemoryUtilization) * 0.01",
            "queue_time": _per_request(
                "ts_queue_latency_microseconds", "ts_inference_requests_total", " * 1e-6"
            ),
        },
        port=8082,
    ),
    "dcgm": Preset(
        {
            "gpu_utilization": "max(DCGM_FI_DEV_GPU_UTIL) * 0.01",
            "memory_copy_utilization": "max(DCGM_FI_DEV_MEM_COPY_UTIL) * 0.01",
            "tensor_active": "max(DCGM_FI_PROF_PIPE_TENSOR_ACTIVE)",
            "memory_active": "max(DCGM_FI_PROF_DRAM_ACTIVE)",
            "power": "sum(DCGM_FI_DEV_POWER_USAGE)",
            "temperature": "max(DCGM_FI_DEV_GPU_TEMP)",
        },
        port=9400,
    ),
    "demo": Preset(
        {
            "utilization": f"rate({_DEMO}_duration_seconds_sum)",
            "queue_depth": "sum(served_model_queue_length)",
            "running": "sum(served_model_in_flight)",
            "batch_size": _per_request(f"{_DEMO}_size_sum", f"{_DEMO}_size_count"),
        }
    ),
}
