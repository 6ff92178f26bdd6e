"""Batches, first version."""
