"""A search that a test kills; it writes a dot for each trial.

python -m studio_pipeline_tests.tuning.search_in_a_process HOME LIFE TRIALS
"""

import sys
import time
from pathlib import Path

from studio_pipeline.tuning.search import Objective, SearchConditions, search
from studio_pipeline.tuning.spaces import Values
from studio_pipeline.tuning.studies import open_storage, open_study
from studio_pipeline_tests.tuning.test_search import KEY, SPACE, START, bowl


def loss(values: Values, fold: int) -> float:
    """Slow enough to be killed in the middle of a trial."""
    if fold == 0:
        sys.stdout.write(".")
        sys.stdout.flush()
    time.sleep(0.05)
    return bowl(values, fold)


home, life, trials = sys.argv[1:]
study = open_study(open_storage(Path(home)), *KEY)
search(study, Objective(loss, 2), SPACE, [START], SearchConditions(600.0, int(trials), 7, life))
