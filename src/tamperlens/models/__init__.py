"""A network and a task make a model; its card, the engines that run it, export, explanations, and the shipped weights."""
