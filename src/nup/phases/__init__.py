"""Phase diagrams: critical learning rates of nets, found by bisection."""
