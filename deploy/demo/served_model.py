"""How do I start a model server of known capacity, or ask what that capacity is?

Serve:  python -m deploy.demo.served_model --port 9100 --base 20ms --per-item 2.5ms --max-batch 16
Ask:    python -m deploy.demo.served_model --truth 'p99 response_time <= 150ms' --of URL
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import ipaddress
import json
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from contract.units import UnitError, parse_duration, parse_ratio
from deploy.demo.batching import Stalls, Timing
from deploy.demo.serving import Behaviour, ServedModel
from deploy.demo.toy_model import FEATURES, ToyModel
from deploy.demo.truth_command import ask, fetch, load, truth, words

BACKLOG = 1024
CLOSE_TIMEOUT_S = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or print the truth. Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        timing = _timing(options)
        if options.truth is not None:
            _print_truth(options, timing)
        else:
            _check_host(options.host, options.allow_remote)
            behaviour = Behaviour(
                options.fail_ratio, options.seed, options.abandoned == "drop", options.name
            )
            model = ToyModel(options.model, options.features)
            asyncio.run(_serve(options, model, timing, behaviour))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"served_model: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.demo.served_model",
        description="A KServe v2 model server of known capacity.",
        epilog="Durations are written 250us, 20ms, 1.5s or 5min.",
    )
    duration, number = _unit(parse_duration), _whole
    serve = parser.add_argument_group("where it serves")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--allow-remote", action="store_true", help="serve beyond this machine")
    serve.add_argument("--port", type=_port, default=0, help="0 takes a free one")
    serve.add_argument("--print-port-to", type=Path, metavar="FILE", help="write the port there")
    serve.add_argument("--model", default="toy")
    serve.add_argument("--name", help="of this replica, in the header x-replica of its answers")
    serve.add_argument("--features", type=number, default=FEATURES, help="numbers in a request")
    batches = parser.add_argument_group("what a batch costs")
    batches.add_argument("--base", type=duration, default=0.020, help="of every batch (20ms)")
    batches.add_argument("--per-item", type=duration, default=0.0025, help="of a request (2.5ms)")
    batches.add_argument("--max-batch", type=number, default=16)
    batches.add_argument("--queue-bound", type=number, default=4096, help="503 beyond it")
    trouble = parser.add_argument_group("disturbances")
    trouble.add_argument("--warm-up-slowdown", type=float, default=1.0, metavar="FACTOR")
    trouble.add_argument("--warm-up", type=duration, default=0.0, help="from the first request on")
    trouble.add_argument("--stall-every", type=duration, default=0.0)
    trouble.add_argument("--stall", type=duration, default=0.0, help="length of each stall")
    trouble.add_argument("--fail-ratio", type=_unit(parse_ratio), default=0.0, help="such as 0.1%%")
    trouble.add_argument(
        "--abandoned",
        choices=("drop", "finish"),
        default="drop",
        help="queued requests whose client closed the connection",
    )
    _add_truth(parser)
    parser.add_argument("--seed", type=int, default=1, help="of the simulation and of failures")
    return parser


def _add_truth(parser: argparse.ArgumentParser) -> None:
    truths = parser.add_argument_group("its true capacity (prints it instead of serving)")
    truths.add_argument("--truth", metavar="OBJECTIVE", help="such as 'p99 response_time <= 150ms'")
    source = truths.add_mutually_exclusive_group()
    source.add_argument("--of", metavar="URL", help="a running server, for what it really did")
    source.add_argument("--durations", type=Path, metavar="FILE", help="saved from its /durations")
    truths.add_argument("--arrivals", choices=("poisson", "constant"), default="poisson")
    truths.add_argument("--json", action="store_true", help="print JSON")


def _timing(options: argparse.Namespace) -> Timing:
    if bool(options.stall) != bool(options.stall_every):
        raise ValueError("a stall needs both --stall-every and --stall")
    if (options.warm_up_slowdown != 1.0) != bool(options.warm_up):
        raise ValueError("a warm-up needs both --warm-up-slowdown and --warm-up")
    return Timing(
        options.base,
        options.per_item,
        options.max_batch,
        options.queue_bound,
        slowdown=options.warm_up_slowdown,
        warm_up_s=options.warm_up,
        stalls=Stalls(options.stall_every, options.stall),
    )


def _print_truth(options: argparse.Namespace, timing: Timing) -> None:
    document = fetch(options.of) if options.of else None
    if options.durations is not None:
        document = load(options.durations)
    answer = truth(ask(options.truth, options.arrivals, options.seed), timing, document)
    sys.stdout.write((json.dumps(answer) if options.json else words(answer)) + "\n")


async def _serve(
    options: argparse.Namespace, model: ToyModel, timing: Timing, behaviour: Behaviour
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _allow_many_connections()
    served = ServedModel(model, timing, behaviour, loop)
    server = await loop.create_server(
        served.connection, options.host, options.port, backlog=BACKLOG
    )
    try:
        port = server.sockets[0].getsockname()[1]
        if options.print_port_to is not None:
            _write_whole(options.print_port_to, f"{port}\n")
        gc.collect()
        gc.freeze()  # what lives for good need not be walked while serving
        host = f"[{options.host}]" if ":" in options.host else options.host
        sys.stdout.write(f"listening on http://{host}:{port}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        server.close()
        served.close()
        await asyncio.wait_for(server.wait_closed(), CLOSE_TIMEOUT_S)


def _write_whole(path: Path, text: str) -> None:
    """A reader sees nothing or all of it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="ascii")
    partial.replace(path)


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check_host(host: str, allow_remote: bool) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not (loopback or allow_remote):
        raise ValueError(
            f"--host {host} is not this machine alone: add --allow-remote if you mean it"
        )


def _unit(parse: Callable[[str], float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            return parse(text)
        except UnitError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to 1000000")
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} must be a port from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
