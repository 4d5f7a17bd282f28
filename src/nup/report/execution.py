"""Execution of a figure notebook by papermill, in this process."""

from __future__ import annotations

import os
import sys
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output
from nbformat import NotebookNode
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from nup.errors import UserError

#: Name of the engine at papermill.
_ENGINE = "this process"
#: What a kernel says of its language; pages color code by it.
_LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": sys.version_info.major},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "version": sys.version.split()[0],
}


def execute(source: Path, out: Path, parameters: Mapping[str, str]) -> None:
    """Execute a notebook of Python and write it with its outputs.

    Its code runs in this process, among what is imported already: a kernel of its own would take
    seconds to start, and a port.

    Args:
        source: the notebook.
        out: where to write it; where a cell fails, as far as it came, with the traceback.
        parameters: values of the names in its cell ``parameters``.

    Raises:
        UserError: a cell failed.
    """
    os.environ["MPLBACKEND"] = "Agg"  # there may be no display
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            source,
            out,
            parameters=dict(parameters),
            engine_name=_ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
        )
    except PapermillExecutionError as error:
        raise UserError(
            f"{source.name}: expected its cells to run, got {error.ename} in cell "
            f"{error.cell_index}: {error.evalue}. The traceback is in {out}"
        ) from None


class _Shell(InteractiveShell):
    """Runs cells, and leaves tracebacks in ``tracebacks`` in place of printing them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.tracebacks: list[NotebookNode] = []

    def _showtraceback(self, etype: type, evalue: Any, stb: list[str]) -> None:
        self.tracebacks.append(
            nbformat.v4.new_output(
                "error", ename=etype.__name__, evalue=str(evalue), traceback=list(stb)
            )
        )


class _ThisProcess(Engine):
    """Runs the cells of a notebook one after another, until one fails."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, *_: Any, **__: Any) -> None:
        nb_man.nb.metadata["language_info"] = dict(_LANGUAGE)
        # Without what a user's own IPython is set to do, and without a history of commands.
        settings = Config({"HistoryManager": {"enabled": False}})
        with tempfile.TemporaryDirectory() as folder:
            shell = _Shell.instance(config=settings, ipython_dir=folder)
            try:
                cls._run(nb_man, shell)
            finally:
                shell.restore_sys_module_state()
                _Shell.clear_instance()

    @classmethod
    def _run(cls, nb_man: Any, shell: _Shell) -> None:
        for index, cell in enumerate(nb_man.nb.cells):
            if cell.cell_type != "code":
                continue
            nb_man.cell_start(cell, index)
            with capture_output() as captured:
                shell.run_cell(cell.source, store_history=True)
            cell.execution_count = shell.execution_count - 1
            streams = {"stdout": captured.stdout, "stderr": captured.stderr}
            cell.outputs = [
                *(
                    nbformat.v4.new_output("stream", name=name, text=text)
                    for name, text in streams.items()
                    if text
                ),
                *map(_displayed, captured.outputs),
                *shell.tracebacks,
            ]
            if shell.tracebacks:
                nb_man.cell_exception(cell, index)
            nb_man.cell_complete(cell, index)
            if shell.tracebacks:
                return


def _displayed(output: RichOutput) -> NotebookNode:
    """What a cell has displayed, as a notebook holds it: pictures as text."""
    data = {
        kind: b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for kind, value in output.data.items()
    }
    return nbformat.v4.new_output("display_data", data=data, metadata=output.metadata)


papermill_engines.register(_ENGINE, _ThisProcess)
