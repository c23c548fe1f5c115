"""pocketnn: emulate integer-only neural networks bit for bit, and see where they overflow."""

__version__ = "0.1.0"
