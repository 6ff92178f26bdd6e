"""Seeded sample data: what the app, the notebooks and the tests start from."""
