"""The page of faults is what the tests counted, and they count enough."""

from collections import Counter

from faults import PAGE, Row, page, problems, read, remade

OLD = Row("SIGKILL", "job", "same bytes", "tests/test_a.py::test_a")
NEW = Row("SIGKILL", "search", "same bytes", "tests/test_a.py::test_b")
OTHER = Row("bit flipped", "table", "one message", "tests/test_b.py::test_c")
RAN = {"tests/test_a.py"}


def test_a_page_is_read_as_it_was_written():
    rows = {OLD: 3, OTHER: 1500}
    assert read(page(rows)) == rows
    assert "In all: SIGKILL 3, bit flipped 1,500." in page(rows)


def test_rows_of_files_that_ran_are_those_that_they_counted():
    assert problems({OLD: 3, OTHER: 1}, {OLD: 4}, RAN, set()) == []
    fewer = f"{PAGE} says 3, counted were {{}}: {', '.join(OLD)}"
    assert problems({OLD: 3}, {OLD: 2}, RAN, set()) == [fewer.format(2)]
    assert problems({OLD: 3}, {}, RAN, set()) == [fewer.format(0)]
    assert problems({}, {NEW: 1}, RAN, set()) == [f"{PAGE} lacks a row: {', '.join(NEW)}"]
    assert problems({OLD: 3}, {}, RAN, {OLD.test}) == []


def test_a_page_is_remade_from_the_files_that_ran():
    assert remade({OLD: 3, OTHER: 1}, {NEW: 2}, RAN, set()) == {NEW: 2, OTHER: 1}
    assert remade({OLD: 3}, {NEW: 2}, RAN, {OLD.test}) == {OLD: 3, NEW: 2}


def test_the_page_is_of_its_rows_and_has_enough_of_them(pytestconfig):
    text = (pytestconfig.rootpath / PAGE).read_text()
    rows = read(text)
    assert page(rows) == text
    times = Counter()
    for row, count in rows.items():
        times[row.kind] += count
    assert times["SIGKILL"] >= 50
    assert times["bit flipped"] >= 1000
