"""First fit through a tree of least loads, against a walk along all bins."""

import numpy as np

from nup.jobs.first_fit import Bins


def walked(sizes, capacity):
    """Which bin each size goes to, by looking at each bin in turn."""
    loads, places = [], []
    for size in sizes:
        place = next((n for n, load in enumerate(loads) if load + size <= capacity), len(loads))
        if place == len(loads):
            loads.append(0.0)
        loads[place] += size
        places.append(place)
    return places


def test_every_size_goes_where_a_walk_along_the_bins_puts_it():
    generator = np.random.default_rng(0)
    for capacity in (0.3, 1.0, 3.0):
        sizes, bins, places = generator.exponential(0.4, 400).tolist(), Bins(capacity), []
        for size in sizes:
            number, load = next(bins.with_room(size), (None, size))
            if number is None:
                number = bins.add(size)
            else:
                bins.load(number, load)
            places.append(number)
        assert places == walked(sizes, capacity)
        assert len(set(places)) > 10


def test_all_bins_with_room_are_offered_in_their_order():
    bins = Bins(1.0)
    for load in (0.9, 0.2, 0.8, 0.5, 1.5, 0.1):
        bins.add(load)
    assert [number for number, _ in bins.with_room(0.4)] == [1, 3, 5]
    assert list(bins.with_room(1.0)) == []
    assert next(bins.with_room(0.1)) == (0, 1.0)
