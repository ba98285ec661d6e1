"""The command line: each command composes what the rooms offer and computes nothing itself."""

# Each module adds its commands to the app; the order is that of --help.
# isort: off
from tamperlens.cli import inspecting, serving, explaining, models, datasets, benching, shipping
from tamperlens.cli.console import app
# isort: on

__all__ = ["app", "benching", "datasets", "explaining", "inspecting", "models", "serving", "shipping"]
