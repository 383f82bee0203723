"""The operations, a file a theme; the front door lists what users call `retrograd.*`."""
