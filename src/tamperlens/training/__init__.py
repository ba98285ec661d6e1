"""From data to a trained model: settings, batches from photos or a store, the loop, whole runs."""
