"""Measure masks against ground truth: how near the first answer is, and how many clicks a good one takes."""

from anymask.evaluate.dataset import Object, Photograph, read_dataset
from anymask.evaluate.metrics import boundary_iou, mask_iou
from anymask.evaluate.protocols import PROTOCOLS, evaluate
from anymask.evaluate.report import summary

__all__ = ["PROTOCOLS", "Object", "Photograph", "boundary_iou", "evaluate", "mask_iou", "read_dataset", "summary"]
