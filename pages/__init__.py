"""The pages of the app: read the session, call the core, show."""
