"""The way of a value: polled, reported by exception, appended to the log, read from it, published."""
