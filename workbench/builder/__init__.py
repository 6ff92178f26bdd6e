"""The builder: cards A, B, C on a rail, the logic line, and the answers beside them."""
