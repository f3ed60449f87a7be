"""How good a model's try-ons are: `catvton evaluate`; see docs/training.md."""
