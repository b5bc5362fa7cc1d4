"""Kinds of sources: folders of audio in several layouts, Parquet files, packs, feature tables."""
