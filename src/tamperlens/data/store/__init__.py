"""A prepared store: shards hold its crops and masks, the manifest is its table, `Store` reads both."""

from tamperlens.data.store.store import POLICIES, Store, native_window, resized_window

__all__ = ["POLICIES", "Store", "native_window", "resized_window"]
