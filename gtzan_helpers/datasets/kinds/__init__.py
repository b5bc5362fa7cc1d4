"""Kinds of sources: labelled folders, feature packs, feature tables."""
