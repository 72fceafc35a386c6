"""How fast is InferenceUser, and are ordinary locustfiles as fast as in stock Locust?"""

from __future__ import annotations

from benchmarks.generator import ours, peers, stock
from benchmarks.generator.bench import Bench
from benchmarks.generator.ours import Found
from benchmarks.generator.probed import Ask
from benchmarks.generator.servers import nginx
from benchmarks.generator.table import Bound, Measured, Row, middle
from benchmarks.machine import Machine

PLAIN = "plain_http"
START_PER_S = 8_000.0
STOCK_START_PER_S = {"fast": 4_000.0, "http": 1_000.0}
STOCK_NAMES = {"fast": "FastHttpUser", "http": "HttpUser"}
STOCK_USERS = 100
"""Twice the users of stock Locust: arrivals come in bursts, and its users only when they are free."""
OTHERS_S = 1.0
CLOSED_S = 3.0
CLOSED_PER_S = 100_000.0
"""Far more than either client sends: something is due always."""

FOUR_STOCK = Bound("of FastHttpUser", 4.0, "×")
MOST_OF_HEY = Bound("of hey", 0.9, "×")


def speed(bench: Bench) -> list[Row]:
    """InferenceUser beside hey, probe by probe, and beside stock FastHttpUser, round by round."""
    machine, found, by_stock = Machine(), list[Found](), list[float]()
    others: dict[str, list[float]] = {}
    with (
        nginx(bench.folder, bench.cores) as server,
        ours.client(PLAIN, server.url, bench.pin, bench.folder) as client,
    ):
        about = bench.rate or ours.coarse(client.run, START_PER_S)
        before = bench.stock("fast", server.url)
        for number in range(bench.rounds):
            best = ours.highest_clean(client.run, about, lambda: bench.hey(server.url).per_s)
            after = bench.stock("fast", server.url)
            by_stock.append(best.probed.rate / ((before + after) / 2))
            found.append(best)
            about, before = best.probed.rate, after
            _others(bench, server.url, others)
            bench.tell(f"round {number + 1}: {told(best)}, {by_stock[-1]:.2f} × FastHttpUser")
    bench.rate = middle([best.probed.rate for best in found])
    measured = (
        Measured(FOUR_STOCK, tuple(by_stock)),
        Measured(MOST_OF_HEY, tuple(best.ratio for best in found)),
    )
    detail = {
        "per_s": [best.probed.rate for best in found],
        "hey_per_s": [best.beside_per_s for best in found],
        "others_per_s": others,
        "absent": [peer.name for peer in peers.PEERS if peer.path is None],
    }
    what = "InferenceUser, ledger clean, one core"
    return [Row("speed", what, measured, cost(found), machine.busy_ratio(), detail=detail)]


def _others(bench: Bench, url: str, others: dict[str, list[float]]) -> None:
    for peer in peers.PEERS:
        if peer is not peers.HEY and peer.path is not None:
            try:
                per_s = peer.run(url, OTHERS_S, bench.pin).per_s
            except RuntimeError as error:
                bench.tell(str(error).splitlines()[0])
                continue
            others.setdefault(peer.name, []).append(per_s)


def locustfiles(bench: Bench) -> list[Row]:
    """FastHttpUser and HttpUser under the gate beside stock Locust, round by round."""
    return [_locustfile(bench, kind) for kind in STOCK_NAMES]


def _locustfile(bench: Bench, kind: str) -> Row:
    machine, found = Machine(), list[Found]()
    ratios, closed = list[float](), list[float]()
    closed_loop = Ask(CLOSED_PER_S, CLOSED_S, streams=peers.CONNECTIONS)
    path = str(stock.FOLDER / f"{kind}.py")
    with (
        nginx(bench.folder, bench.cores) as server,
        ours.client(path, server.url, bench.pin, bench.folder, users=STOCK_USERS) as client,
    ):
        about = ours.coarse(client.run, STOCK_START_PER_S[kind])
        before = bench.stock(kind, server.url)
        for number in range(bench.rounds):
            best = ours.highest_clean(client.run, about, lambda: 1.0, seconds=2.0)
            sent_per_s = client.ask(closed_loop).sent / CLOSED_S
            after = bench.stock(kind, server.url)
            ratios.append(best.probed.rate / ((before + after) / 2))
            closed.append(sent_per_s / ((before + after) / 2))
            found.append(best)
            about, before = best.probed.rate, after
            bench.tell(
                f"round {number + 1}: {STOCK_NAMES[kind]} {best.probed.rate:,.0f}/s clean, "
                f"{ratios[-1]:.2f} × stock at {after:,.0f}/s, "
                f"{closed[-1]:.2f} × in a closed loop (open one stopped {best.stopped_by})"
            )
    bound = Bound("of stock", 1.0, "×")
    detail = {"per_s": [best.probed.rate for best in found], "closed_loop": closed}
    what = f"unmodified {STOCK_NAMES[kind]} locustfile under the gate"
    measured = (Measured(bound, tuple(ratios)),)
    reason = f"{cost(found)}; in a closed loop of 50, as stock Locust's, {middle(closed):.2f}×"
    return Row("locustfiles", what, measured, reason, machine.busy_ratio(), detail=detail)


def told(best: Found) -> str:
    return (
        f"{best.probed.rate:,.0f}/s clean, hey {best.beside_per_s:,.0f}/s, "
        f"{best.ratio:.2f} × hey (stopped {best.stopped_by or 'by the number of steps'})"
    )


def cost(found: list[Found]) -> str:
    """What a request costs at the highest clean rate."""
    user = middle([best.probed.user_us for best in found])
    system = middle([best.probed.system_us for best in found])
    ratio = middle([best.probed.cpu_ratio for best in found])
    rate = middle([best.probed.rate for best in found])
    return (
        f"{rate:,.0f}/s; a request costs {user + system:.0f} us of CPU, {system:.0f} of them in "
        f"the kernel, at {ratio:.0%} of the core"
    )
