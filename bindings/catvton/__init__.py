"""CatVTON, virtual try-on, as a native engine (arXiv 2407.15886)."""

__version__ = "0.1.0"
