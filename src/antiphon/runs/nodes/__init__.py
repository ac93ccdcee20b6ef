"""The built-in nodes, one module each: descriptor and implementation side by side. Registered by builtin.py through the same
hook as any plug-in. Subsystem: docs/subsystems/flows.md. Tests: tests/unit/runs/test_nodes_*.py, tests/conformance/test_nodes.py.
"""
