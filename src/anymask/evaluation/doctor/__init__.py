"""Whether this installation works: weights, cache, and a known photo through every engine and precision.

The known photo's right answers come from the official PyTorch code and lie beside this file.
"""

from anymask.evaluation.doctor.examine import examine

__all__ = ["examine"]
