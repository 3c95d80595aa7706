"""Long runs against simulated devices that fail at random: no good value may differ from the truth."""
