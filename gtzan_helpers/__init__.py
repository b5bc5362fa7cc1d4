"""Helpers of the notebook series: music genre classification on GTZAN, honestly measured."""
