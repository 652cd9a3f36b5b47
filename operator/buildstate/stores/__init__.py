"""Where checkpoints and states are kept: one contract, and every store that fulfils it."""
