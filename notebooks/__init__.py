"""The notebooks and their controls, on the same core as the app."""
