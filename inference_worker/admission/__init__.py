"""The admission test: what a model must show before it serves.

trial.py       the test
frames.py      pictures that every engine is asked about
reference.py   what is to be seen on them, kept with the model
parity.py      boxes on boxes
verdict.py     what it says
remembered.py  verdicts that were slow to come by
"""

from inference_worker.admission.frames import synthetic_pictures
from inference_worker.admission.reference import NO_REFERENCE, Reference
from inference_worker.admission.trial import admit
from inference_worker.admission.verdict import NotFit, Verdict

__all__ = ["NO_REFERENCE", "NotFit", "Reference", "Verdict", "admit", "synthetic_pictures"]
