"""Helpers of the notebook series: music genre classification on GTZAN, honestly measured."""

__version__ = "0.2.0"
