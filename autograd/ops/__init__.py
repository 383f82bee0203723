"""The operations, by theme: each a record of how to compute and differentiate it, and a documented function."""


def load_all() -> None:
    """Import every operation, which programs do one by one at first use: so that the registry is complete."""
    import importlib
    import pkgutil

    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
