"""How fast is the wire on this machine? Printed and kept in docs/benchmarks.md, never asserted."""
