"""Transports: subscribe(position) and commands over WebSocket (later SSE, long-poll). They only read the log; no business.

Subsystem: docs/subsystems/transports.md.
"""
