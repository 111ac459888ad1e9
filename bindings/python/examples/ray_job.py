"""A Ray job: scores pairs from Parquet and keeps the best text of each query.

pip install 'nearsort[ray]'
usage: ray_job.py PAIRS.parquet OUTPUT_FOLDER    PAIRS: columns query and text
"""

import sys

import pandas as pd
import ray

from nearsort.batch import Config
from nearsort.integrations import ray as nearsort_ray


def best(rows: pd.DataFrame) -> pd.DataFrame:
    """The row of the highest score; of equal ones the first text in the alphabet."""
    return rows.sort_values(["score", "text"], ascending=[False, True]).head(1)


source, output = sys.argv[1:]
ray.init(include_dashboard=False, log_to_driver=False)
# An actor keeps its CPU. One must be left for reading and writing, else the job waits for ever.
cpus = int(ray.cluster_resources()["CPU"])
actors = max(1, cpus - 1)
scored = nearsort_ray.score(ray.data.read_parquet(source), Config(precision="i8"), actors=actors, cpus_per_actor=1)
scored.groupby("query", num_partitions=4 * cpus).map_groups(best, batch_format="pandas").write_parquet(output)
