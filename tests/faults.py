"""The faults that tests inject and what came of them: counted, and held against ``docs/faults.md``.

A test counts what it injected through the fixture ``fault``. Only counts of tests that passed are
taken, so that no row says what did not happen. Where a file of tests ran whole, its rows of the
page must be those that it counted, and no count may be below the page's; ``--remake-faults`` writes
them instead. Tests that were skipped keep their rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

PAGE = Path("docs", "faults.md")
OPTION = "--remake-faults"
#: Name of the property by which counts travel from the processes of the tests to the first.
PROPERTY = "fault"
HEAD = ("fault", "of what", "times", "outcome", "test")
INTRODUCTION = f"""# Faults

What was done to nup on purpose, how often, and what came of it. The tests write this page: each
counts the faults that it injects, and a count is taken only if the test passed. `make test` fails
if a row is missing, is one too many, or says more than happened; `pytest FILE {OPTION}` writes the
rows of this file of tests anew. What is checked when, and what is not caught, is in
[integrity.md](integrity.md).
"""


class Row(NamedTuple):
    """One line of the page but for its count."""

    kind: str
    of: str
    outcome: str
    test: str

    @property
    def file(self) -> str:
        """The file of the test."""
        return self.test.partition("::")[0]


Rows = dict[Row, int]


def page(rows: Mapping[Row, int]) -> str:
    """The page with these rows, and their sums by kind of fault."""
    sums: Counter[str] = Counter()
    for row, times in rows.items():
        sums[row.kind] += times
    total = ", ".join(f"{kind} {times:,}" for kind, times in sorted(sums.items()))
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for row, times in sorted(rows.items()):
        test = f"`{row.test.removeprefix('tests/')}`"
        cells = (row.kind, row.of, f"{times:,}", row.outcome, test)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([INTRODUCTION, f"In all: {total}.", "", *lines]) + "\n"


def read(text: str) -> Rows:
    """The rows of a page."""
    found: Rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == len(HEAD) and cells != list(HEAD):
            kind, of, times, outcome, test = cells
            row = Row(kind, of, outcome, f"tests/{test.strip('`')}")
            found[row] = int(times.replace(",", ""))
    return found


def remade(old: Rows, new: Rows, ran: Collection[str], skipped: Collection[str]) -> Rows:
    """The rows of a page after files of tests ran: theirs are those that they counted."""
    kept = {row: times for row, times in old.items() if row.file not in ran or row.test in skipped}
    return kept | new


def problems(old: Rows, new: Rows, ran: Collection[str], skipped: Collection[str]) -> list[str]:
    """What the page says of the files that ran and that they did not count, and the reverse."""
    lines = [f"{PAGE} lacks a row: {', '.join(row)}" for row in sorted(new.keys() - old.keys())]
    for row, times in sorted(old.items()):
        counted = new.get(row, 0)
        if row.file in ran and row.test not in skipped and counted < times:
            lines.append(f"{PAGE} says {times:,}, counted were {counted:,}: {', '.join(row)}")
    return lines


class Tally:
    """Sums the counts of a run of pytest, in its first process, and holds them against the page."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._rows: Counter[Row] = Counter()
        self._ran: set[str] = set()
        self._skipped: set[str] = set()
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the counts of a test that passed."""
        test = report.nodeid.partition("[")[0]
        self._ran.add(test.partition("::")[0])
        if report.skipped:
            self._skipped.add(test)
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                if name == PROPERTY:
                    kind, of, outcome, times = value  # type: ignore[misc]
                    self._rows[Row(kind, of, outcome, test)] += times

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the page, or let the run fail where it is not true."""
        if exitstatus != 0 or not _by_files(self._config):
            return
        path = self._config.rootpath / PAGE
        old = read(path.read_text(encoding="utf-8")) if path.is_file() else {}
        # What a file that is gone had counted is counted no more.
        gone = {row.file for row in old if not (self._config.rootpath / row.file).is_file()}
        given = (old, dict(self._rows), self._ran | gone, self._skipped)
        if self._config.getoption(OPTION):
            path.write_text(page(remade(*given)), encoding="utf-8")
        elif lines := problems(*given):
            files = " ".join(sorted({row.file for row in self._rows}))
            self._lines = [*lines, f"to write these rows anew: pytest {files} {OPTION}"]
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what is not true."""
        for line in self._lines:
            terminalreporter.write_line(line, red=True)


def _by_files(config: pytest.Config) -> bool:
    """Whether tests were chosen by their files alone, none of which ran in part."""
    chosen: Iterable[object] = (
        config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "deselect", "sw")
    )
    return not any(chosen) and not any("::" in argument for argument in config.args)
