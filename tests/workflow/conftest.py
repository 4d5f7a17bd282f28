"""A SLURM for a file of tests, and a head that submits to it."""

from __future__ import annotations

import pytest

import slurm
from project import copied
from slurm_study import LONG, RUNS, STUDY, head_of, trained


@pytest.fixture(scope="module")
def cluster():
    with slurm.cluster() as found:
        yield found


@pytest.fixture(scope="module")
def accounted():
    """A cluster with accounting."""
    if slurm.missing(accounting=True):
        pytest.skip(slurm.missing(accounting=True))
    with slurm.cluster(accounting=True) as found:
        yield found


@pytest.fixture
def head(cluster, tmp_path, pytestconfig):
    return head_of(cluster, tmp_path, pytestconfig.rootpath)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, pytestconfig):
    """The tables of the long study as a single machine makes them."""
    root = tmp_path_factory.mktemp("local")
    checkout = copied(pytestconfig.rootpath, root, study="small")
    (root / "small.yaml").write_text(STUDY.format(steps=LONG, jobs=""))
    checkout.snakemake(RUNS, "--config", f"study={root / 'small.yaml'}")
    return trained(checkout)
