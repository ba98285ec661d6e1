"""The paper's experiments on a prepared store: tables.py lays the figures out, reproduction.py trains and measures."""
