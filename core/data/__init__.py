"""The data under the core: durable segments, the importers that write them, the columns that criteria read."""
