"""Which simulated arrivals ended in a slice of time, how are they judged, and in which due bucket?

One loop over the arrivals that started and those in flight gives all a report counts, as a table
with a row per due bucket, from the first touched on, and a last row that sums them up:

    SCHEDULED SENT SHED SHED_OVERDUE MISSED CANCELLED SUCCEEDED FAILED TIMED_OUT
    BAD_ANY JUDGED IN_FLIGHT, then one column of bad, one of over-limit per objective

A request is bad for a latency objective when it is over its limit or failed; what timed out or was
shed for the target's fault is bad for every objective, and what is bad for any is for goodput.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contract.report import BUCKET_NS, TICK_NS
from controller.sim.compiled import compiled
from controller.sim.target import ERRORS, Floats, Kinds, Replicas

Whole = NDArray[np.int64]

(
    SCHEDULED,
    SENT,
    SHED,
    SHED_OVERDUE,
    MISSED,
    CANCELLED,
    SUCCEEDED,
    FAILED,
    TIMED_OUT,
    BAD_ANY,
    JUDGED,
    IN_FLIGHT,
    FIRST_BAD,
) = range(13)

RESPONSE, SERVICE, FIRST_TOKEN, BETWEEN_TOKENS, ERROR_RATIO, GOODPUT = range(6)
"""What an objective looks at."""

TIMED_OUT_KIND = len(ERRORS)
"""Place of the time-outs beside the target's own kinds of errors."""

Columns = tuple[Whole, Whole, Whole, Kinds, Kinds]
Extras = tuple[Whole, Whole, Replicas]
Judged = tuple[Whole, Whole]
Found = tuple[Whole, Whole, int, tuple[Floats, Floats, Floats], Whole, Whole]


@compiled
def counted(
    columns: Columns,
    extras: Extras,
    open_now: Whole,
    judged: Judged,
    slice_of: tuple[int, int, int, int],
) -> Found:
    """Count arrivals that started and take out of `open_now` what has ended.

    `columns` are due, start and end in ns, error and fate of arrivals; `extras` first tokens and
    times between tokens in ns and replicas, each empty where the target tells none. `judged` is
    what each objective looks at and its limit in ns. `slice_of` time is the first that started in
    it and the one after the last, when it ends, and the time-out.

    Gives those still open; the table and its first due bucket; response times, service times and
    send lags in s; ticks (rows of index, replica, completed, errors); and errors by kind.
    """
    due, start, end, _, _ = columns
    first, after, through, timeout = slice_of
    low, high = _touched(due, first, after, open_now)
    table = np.zeros((high - low + 2, FIRST_BAD + 2 * len(judged[0])), dtype=np.int64)
    lags = _count_started(columns, (first, after), table, low)
    still = np.empty(len(open_now), dtype=np.int64)
    done = np.empty(len(open_now), dtype=np.int64)
    left = ended = 0
    for place in open_now:
        if min(end[place], due[place] + timeout) <= through:
            done[ended] = place
            ended += 1
        else:
            still[left] = place
            left += 1
            row = table[due[place] // BUCKET_NS - low]
            _judge_open(row, judged, due[place], start[place], through)
    done = done[:ended]
    response, service, kinds = _judge_done(columns, extras, (done, table), judged, (low, timeout))
    for place in range(len(table) - 1):
        table[-1] += table[place]
    ticks = _ticks(columns, extras, done, timeout)
    return still[:left], table, low, (response, service, lags), ticks, kinds


@compiled
def _count_started(columns: Columns, some: tuple[int, int], table: Whole, low: int) -> Floats:
    """Count arrivals by their fate; gives the send lags of those sent, in s."""
    due, start, _, _, fate = columns
    first, after = some
    lags = np.empty(after - first)
    sent = 0
    for place in range(first, after):
        row = table[due[place] // BUCKET_NS - low]
        row[SCHEDULED] += 1
        row[fate[place]] += 1
        if fate[place] == SENT:
            lags[sent] = (start[place] - due[place]) / 1e9
            sent += 1
        elif fate[place] == SHED_OVERDUE:
            row[SHED] += 1
            row[JUDGED] += 1
            row[BAD_ANY] += 1
            for column in range(FIRST_BAD, (FIRST_BAD + len(row)) // 2):
                row[column] += 1
    return lags[:sent]


@compiled
def _touched(due: Whole, first: int, after: int, open_now: Whole) -> tuple[int, int]:
    """The first and the last due bucket that a report is about."""
    low, high = 2**62, -1
    if after > first:
        low, high = due[first] // BUCKET_NS, due[after - 1] // BUCKET_NS
    if len(open_now):
        low = min(low, due[open_now[0]] // BUCKET_NS)
        high = max(high, due[open_now[-1]] // BUCKET_NS)
    if high < 0:
        return 0, -1
    return low, high


@compiled
def _judge_open(row: Whole, judged: Judged, due: int, start: int, through: int) -> None:
    """Count one in flight, and the objectives it is already bad for."""
    looks_at, limits = judged
    width = len(looks_at)
    row[IN_FLIGHT] += 1
    any_over = 0
    for k in range(width):
        since = due if looks_at[k] == RESPONSE else start
        if looks_at[k] <= SERVICE and through - since > limits[k]:
            row[FIRST_BAD + width + k] += 1
            any_over = 1
    for k in range(width):
        if looks_at[k] == GOODPUT:
            row[FIRST_BAD + width + k] += any_over


@compiled
def _judge_done(
    columns: Columns,
    extras: Extras,
    into: tuple[Whole, Whole],
    judged: Judged,
    base: tuple[int, int],
) -> tuple[Floats, Floats, Whole]:
    """Count and judge what has ended: response and service times in s, and errors by kind."""
    due, start, end, error, _ = columns
    first_token, between, _ = extras
    done, table = into
    low, timeout = base
    response, service = np.empty(len(done)), np.empty(len(done))
    kinds = np.zeros(TIMED_OUT_KIND + 1, dtype=np.int64)
    seen = np.zeros(BETWEEN_TOKENS + 1, dtype=np.int64)
    for number in range(len(done)):
        place = done[number]
        row = table[due[place] // BUCKET_NS - low]
        last = min(end[place], due[place] + timeout)
        kind = TIMED_OUT_KIND if end[place] > last else error[place]
        kinds[kind] += 1
        row[SUCCEEDED if kind == 0 else (TIMED_OUT if kind == TIMED_OUT_KIND else FAILED)] += 1
        seen[RESPONSE], seen[SERVICE] = last - due[place], last - start[place]
        if len(first_token):
            seen[FIRST_TOKEN] = first_token[place] - start[place]
            seen[BETWEEN_TOKENS] = between[place]
        response[number], service[number] = seen[RESPONSE] / 1e9, seen[SERVICE] / 1e9
        _judge_one(row, judged, seen, kind != 0)
    return response, service, kinds


@compiled
def _judge_one(row: Whole, judged: Judged, seen: Whole, fault: bool) -> None:
    """Count one that has ended, and the objectives it is bad for."""
    looks_at, limits = judged
    row[JUDGED] += 1
    any_bad = fault
    for k in range(len(looks_at)):
        late = looks_at[k] <= BETWEEN_TOKENS and seen[looks_at[k]] > limits[k]
        if looks_at[k] != GOODPUT and (fault or late):
            row[FIRST_BAD + k] += 1
            any_bad = True
    if any_bad:
        row[BAD_ANY] += 1
        for k in range(len(looks_at)):
            if looks_at[k] == GOODPUT:
                row[FIRST_BAD + k] += 1


@compiled
def _ticks(columns: Columns, extras: Extras, done: Whole, timeout: int) -> Whole:
    """Rows of (index, replica, completed, errors), in order; what timed out completed nothing."""
    due, _, end, error, _ = columns
    replica = extras[2]
    low, high, most = 2**62, -1, 0
    for place in done:
        if end[place] <= due[place] + timeout:
            low = min(low, end[place] // TICK_NS)
            high = max(high, end[place] // TICK_NS)
            if len(replica):
                most = max(most, replica[place])
    if high < 0:
        return np.zeros((0, 4), dtype=np.int64)
    counts = np.zeros(((high - low + 1) * (most + 1), 2), dtype=np.int64)
    for place in done:
        if end[place] <= due[place] + timeout:
            cell = (end[place] // TICK_NS - low) * (most + 1)
            if len(replica):
                cell += replica[place]
            counts[cell, 0] += 1
            counts[cell, 1] += error[place] != 0
    rows = np.zeros((np.count_nonzero(counts[:, 0]), 4), dtype=np.int64)
    number = 0
    for cell in range(len(counts)):
        if counts[cell, 0] > 0:
            rows[number, 0] = low + cell // (most + 1)
            rows[number, 1] = cell % (most + 1)
            rows[number, 2], rows[number, 3] = counts[cell, 0], counts[cell, 1]
            number += 1
    return rows
