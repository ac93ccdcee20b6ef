"""Runs: executes a plan, appends events, stops, resumes, recovers; the built-in nodes. Subsystem: docs/subsystems/runs.md."""
