"""Checkpoints and histories in; tables and figures out. Reads only, trains nothing."""
