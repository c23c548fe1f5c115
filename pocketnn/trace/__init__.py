"""Traces: recorded programs, replayed and verified by anyone."""
