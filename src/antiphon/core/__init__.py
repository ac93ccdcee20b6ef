"""What every room may use: ids, clock, random, scheduling (`Runtime`), errors and fail-points. Imports nothing of ours."""
