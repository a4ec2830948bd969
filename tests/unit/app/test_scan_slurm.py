"""The jobs of a scan on SLURM, without SLURM: the script that would be handed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.services.scan_runners import slurm_cluster

pytest.importorskip("dask_jobqueue", reason="dask_jobqueue is not installed")


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Any]:
    import dask

    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    said = {
        "jobqueue.slurm.queue": "short",
        "jobqueue.slurm.memory": "2 GiB",
        "jobqueue.slurm.scheduler-options": here,
        "jobqueue.slurm.local-directory": str(tmp_path),
    }
    with dask.config.set(said):
        yield dask.config


def test_a_job_is_what_the_configuration_says_and_one_thread(configured: Any) -> None:
    cluster = slurm_cluster()
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    assert "#SBATCH -p short" in script
    assert "#SBATCH --cpus-per-task=1" in script
    assert "#SBATCH --mem=2G" in script
    assert "--nthreads 1" in script
