"""Whether this installation works: weights, cache, and a known image on every engine and precision.

The expected masks of the known image were made by the official PyTorch code and lie beside this file.
"""

from anymask.evaluation.doctor.examine import examine

__all__ = ["examine"]
