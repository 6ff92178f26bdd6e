"""The workbench around the core: the Streamlit app, the command line and the worker."""
