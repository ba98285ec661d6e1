"""The paper's experiments, from photos, a tree or a prepared store to the report; reproduction.py runs them."""
