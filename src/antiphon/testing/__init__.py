"""Public fakes, simulated runtimes and conformance suites: product code for tests of ours and of plug-in authors."""

from antiphon.testing.simulated import SimulatedClock, SimulatedRandom, SimulatedRuntime, SimulatedScheduler, simulated_runtime

__all__ = ["SimulatedClock", "SimulatedRandom", "SimulatedRuntime", "SimulatedScheduler", "simulated_runtime"]
