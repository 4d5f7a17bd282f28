"""What is compiled is counted, and kept by one process at a time."""

import threading
import time

import numba

from nup.kernels import compilation, jit


def test_compiled_functions_are_counted_with_their_time():
    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return inner(x) * 2

    begun = []
    before = time.monotonic()
    with compilation.watched(lambda: begun.append(time.monotonic())) as watch:
        assert outer(3) == 8
    took = time.monotonic() - before
    assert watch.kernels == 2
    # The inner one's time is part of the outer one's: it is not counted twice.
    assert 0 < watch.seconds <= took
    assert len(begun) == 1
    with compilation.watched() as watch:
        assert outer(4) == 10
    assert (watch.kernels, watch.seconds) == (0, 0.0)
    # Nobody listens any more.
    outer(1.5)
    assert watch.kernels == 0


def test_an_index_that_several_write_at_once_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "_folder", lambda: str(tmp_path))
    index = tmp_path / "index"
    index.write_text("")

    def save(entry):
        """What numba does: read, add, write."""
        known = index.read_text()
        time.sleep(0.02)
        index.write_text(f"{known}{entry} ")

    threads = [
        threading.Thread(target=jit._one_at_a_time(save), args=(entry,)) for entry in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(index.read_text().split()) == [str(entry) for entry in range(8)]


def test_kernels_are_kept_where_no_lock_can_be_had(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "_folder", lambda: str(tmp_path / "absent"))
    kept = []
    jit._one_at_a_time(lambda *arguments: kept.append(arguments))("signature", 1)
    assert kept == [("signature", 1)]


def test_kernels_are_saved_under_the_lock():
    @jit.entry
    def kernel(x):
        return x + 1

    assert kernel._cache.save_overload.__qualname__.startswith("_one_at_a_time")
