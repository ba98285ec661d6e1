"""A predictor, or anybody's maps, on a prepared store or on held-out people; the paper's experiments."""
