"""OPC UA: the variables of PLCs, machines and controllers that are servers."""
