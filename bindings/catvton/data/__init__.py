"""Data: the drawn wardrobe and readers of try-on data sets. Needs Pillow and numpy only."""
