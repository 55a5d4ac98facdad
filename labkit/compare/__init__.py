"""All balancers under the same load and the same faults."""
