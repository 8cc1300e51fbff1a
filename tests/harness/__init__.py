"""Processes and peers that the end-to-end tests and the benches share. Standard library only."""
