"""The commands of the command line, one module a group; each adds itself to the parser with `add`."""
