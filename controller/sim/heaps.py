"""How do compiled loops keep what comes first at hand?

Binary heaps in arrays, smallest on top (Williams 1964): `keys` alone, or with the `values` that
belong to them.
"""

from __future__ import annotations

from controller.sim.compiled import compiled
from controller.sim.target import Floats, Keys


@compiled
def replace_first(keys: Floats, size: int, key: float) -> None:
    """Put `key` in the place of the smallest."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[place] = keys[child]
        place = child
    keys[place] = key


@compiled
def push(keys: Floats, values: Keys, size: int, key: float, value: int) -> None:
    """Add an entry to a heap of `size`; among equal keys the smaller value comes first."""
    place = size
    while place > 0:
        parent = (place - 1) // 2
        if keys[parent] < key or (keys[parent] == key and values[parent] <= value):
            break
        keys[place], values[place] = keys[parent], values[parent]
        place = parent
    keys[place], values[place] = key, value


@compiled
def pop(keys: Floats, values: Keys, size: int) -> None:
    """Take the first entry off a heap of `size`."""
    last = size - 1
    key, value = keys[last], values[last]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= last:
            break
        if child + 1 < last and (
            keys[child + 1] < keys[child]
            or (keys[child + 1] == keys[child] and values[child + 1] < values[child])
        ):
            child += 1
        if keys[child] > key or (keys[child] == key and values[child] >= value):
            break
        keys[place], values[place] = keys[child], values[child]
        place = child
    keys[place], values[place] = key, value
