"""A model measured by a reranking task of MTEB, whose data is fetched from the hub.

pip install 'nearsort[mteb]'
usage: mteb_task.py [TASK]    default: AskUbuntuDupQuestions
"""

import sys

import mteb

from nearsort import Reranker
from nearsort.integrations.mteb import NearsortCrossEncoder

task = mteb.get_task(sys.argv[1] if len(sys.argv) > 1 else "AskUbuntuDupQuestions")
results = mteb.evaluate(NearsortCrossEncoder(Reranker()), task)
print(results.to_dataframe())
