"""How is a worker started?

    python -m workers [--id w1] [--redis-url URL] [--allow HOST:PORT]... [--parent-pid PID]
                      [--leave-within SECONDS]
    python -m workers --self-test [--json]

The Redis URL may hold a password: TONNAGE_REDIS_URL keeps it out of the process list. A Redis on
another host takes TONNAGE_FLEET_KEY as well.
"""

from gevent import monkey

monkey.patch_all()  # before anything below imports a socket

import argparse  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import secrets  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402

import gevent  # noqa: E402

from contract.bundle import SWITCH, switched  # noqa: E402
from contract.redis_url import SCHEMES, refusal  # noqa: E402
from contract.signing import KEY_VARIABLE, FleetKey, KeyInvalid, key_of  # noqa: E402
from workers.guard import AllowListError, parse_target  # noqa: E402
from workers.process import end_with_parent  # noqa: E402
from workers.selftest import rates  # noqa: E402
from workers.selftest.command import run_self_test  # noqa: E402
from workers.worker import Options, Worker, own_version  # noqa: E402

REDIS_URL = "TONNAGE_REDIS_URL"
BAD_ARGUMENTS = 2
LONGEST_LEAVE_S = 3_600.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(argv)
    if given.self_test:
        return run_self_test(own_version(), as_json=given.json)
    options = _options(parser, given)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if options.parent_pid is not None and not end_with_parent(options.parent_pid):
        return 0
    worker = Worker(options, os.environ)
    gevent.signal_handler(signal.SIGTERM, worker.stop, "SIGTERM")
    if options.parent_pid is None:
        gevent.signal_handler(signal.SIGINT, worker.stop, "SIGINT")
    else:  # a Ctrl-C reaches the whole group; the parent stops the load first, then ends us
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return worker.run()


def read_options(argv: Sequence[str] | None) -> Options:
    """Read the command line; what is wrong with it ends the process with status 2."""
    parser = _parser()
    return _options(parser, parser.parse_args(argv))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description="Offer load for a run.")
    parser.add_argument("--redis-url", default=os.environ.get(REDIS_URL), metavar="URL")
    parser.add_argument("--id", help="name in the fleet (default: HOST-PID-RANDOM)")
    parser.add_argument("--allow", action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--parent-pid", type=int, metavar="PID")
    parser.add_argument(
        "--leave-within",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="after SIGTERM: finish the probe within this (default: end it now)",
    )
    parser.add_argument(
        "--self-test", action="store_true", help="measure what this host can send, and print it"
    )
    parser.add_argument("--json", action="store_true", help="of the self-test, instead of a table")
    return parser


def _options(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Options:
    if given.json:
        parser.error("--json goes with --self-test")
    if not given.redis_url:
        parser.error(f"no Redis: set {REDIS_URL} or give --redis-url redis://HOST:PORT")
    if not given.redis_url.startswith(SCHEMES):
        parser.error("the Redis URL must begin with redis://, rediss:// or unix://")
    key = _key(parser, given.redis_url)
    try:
        rates.given(os.environ)
    except rates.RateInvalid as error:
        parser.error(str(error))
    for target in given.allow:
        try:
            parse_target(target)
        except AllowListError as error:
            parser.error(f"--allow: {error}")
    worker = given.id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    if not 0.0 <= given.leave_within <= LONGEST_LEAVE_S:
        parser.error(f"--leave-within: {given.leave_within:g} is not in 0 to {LONGEST_LEAVE_S:g}")
    allowed = tuple(given.allow)
    return Options(
        given.redis_url,
        worker,
        allowed,
        given.parent_pid,
        given.leave_within,
        key,
        _bundles(parser),
    )


def _bundles(parser: argparse.ArgumentParser) -> bool:
    try:
        return switched(os.environ.get(SWITCH))
    except ValueError as error:
        parser.error(str(error))


def _key(parser: argparse.ArgumentParser, redis_url: str) -> FleetKey | None:
    try:
        key = key_of(os.environ.get(KEY_VARIABLE))
        refused = refusal(redis_url, has_key=key is not None)
    except KeyInvalid as error:
        parser.error(str(error))
    except ValueError as error:
        parser.error(f"the Redis URL cannot be read: {error}")
    if refused is not None:
        parser.error(refused)
    return key


if __name__ == "__main__":
    sys.exit(main())
