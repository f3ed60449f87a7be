"""Training on the engine's own forward: `catvton train` and `catvton evaluate`; see docs/training.md.

The C++ models share the tensors they are made of, and autograd runs through their calls. So what is here is what a
trainer adds: data, noise and losses, the loop, and checkpoints that survive a kill.
"""
