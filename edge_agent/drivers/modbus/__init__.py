"""Modbus: registers and bits of PLCs, meters, drives and I/O."""
