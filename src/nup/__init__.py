"""nup: a replication of "MLPs at the EOC: Dynamics of Feature Learning" (arXiv 2502.13110).

Importing the package is cheap: torch, pandas and pyarrow are only imported by the modules that
need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nup.networks.parameterization import parameterization

if TYPE_CHECKING:
    from nup.study.own_data import Trained

__version__ = "0.1.0"
__all__ = ["__version__", "parameterization", "train"]


def train(x: Any, y: Any, **options: Any) -> Trained:
    """Train nets on one's own arrays, as ``nup train`` and studies do. Needs ``nup[study]``.

    Args:
        x: inputs [n, d_in], of numpy, torch or lists.
        y: labels [n], integers 0, 1, …; or targets [n] or [n, d_out] of a regression.
        options: the data beside these, ``validation``, ``test`` and ``probe``, each a pair
            ``(x, y)``; ``standardize=False`` to take all of them as they are (else inputs are
            scaled to RMS 1 and targets to mean 0 and variance 1 over the training data);
            ``device`` (``auto``, ``cpu``, ``cuda``); ``compiled=False`` to let torch take all
            steps; ``progress``, called with steps done, steps, and runs still training. All others
            are settings of an experiment by the keys of config/README.md: ``parameterization``,
            ``depth``, ``width``, ``activation``, ``weight_variance``, ``schedule``, ``optimizer``,
            ``learning_rate``, ``steps``, ``seeds``, ``loss``, ``batch_size``, ``dtype``,
            ``record``. Lists are axes of a grid. What is left out is as of ``nup train``.

    Returns:
        The tables ``runs``, ``steps`` and ``layers`` as frames of pandas, and of each run the final
        weights; ``model(row)`` is the module of a run.

    Raises:
        UserError: arrays or settings that do not fit, naming what is expected; or a package of the
            extra ``study`` is missing.
    """
    import importlib

    from nup.errors import UserError

    try:
        # By name: the code of a job is all that its modules import, and this is a part of each.
        run = importlib.import_module("nup.study.own_data").train
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == __name__:
            raise
        raise UserError(
            f"nup.train: expected the package {error.name}, got none; pip install 'nup[study]'"
        ) from error
    found: Trained = run(x, y, **options)
    return found
