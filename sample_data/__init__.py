"""Seeded sample data: a travel app and a hotel shop, written through the public loading API."""
